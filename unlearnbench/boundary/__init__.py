"""The boundary: runs untrusted submissions in isolation. Takes a request, returns weights or a reason for failure.

    harness                          │ never receives true labels, passwords or the store
                                     │
    boundary.Boundary ── socket ──> server ── fork ──> guardian ── fork ──> child
        │                            │  has only        │  watches one      │  the trial: builds the public
        │                            │  imported        │  trial: clock,    │  Problem, imports the submission,
        │                            │  torch           │  limits; kills    │  calls `unlearn`, saves
        │                            │                  │  leftovers        │  weights.safetensors (no pickle)
        <──────── events and the file of weights ───────┘

    isolation   the levels `process` and `strict`, and the bubblewrap commands of `strict`
    sandbox     system calls: join the namespaces of a trial, drop privileges
    limits      resource usage of all processes of a trial: disk, memory, processor time

Only `child` runs code of the submission. All other modules are trusted, and do not trust what a trial reports.
"""
