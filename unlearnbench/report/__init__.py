"""From the store to what people look at: frames, figures, tables, the leaderboard. Never runs a trial."""
