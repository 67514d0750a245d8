"""From a suite to stored records."""
