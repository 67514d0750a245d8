"""The boundary: runs untrusted submissions in isolation. Takes a request, returns weights or a reason for failure.

    harness                          │ never receives true labels, passwords or the store
                                     │
    boundary.Boundary ── socket ──> server ── fork ──> guardian ── fork ──> child
        │                            │  has only        │  watches one      │  the trial: builds the public
        │                            │  imported        │  trial: clock,    │  Problem, imports the submission,
        │                            │  torch           │  limits; kills    │  calls `unlearn`, saves
        │                            │                  │  leftovers        │  weights.safetensors (no pickle)
        <──────── events and the file of weights ───────┘
    outcome: judges what comes back

    servers        one server for each Python that runs trials: that of the harness, and those of environments
    isolation      the levels `process` and `strict`, what `strict` shows of the machine, its bubblewrap commands
    sandbox        join the namespaces of a trial, drop keys and privileges
    system_calls   the filter of system calls of `strict`
    limits         resource usage of all processes of a trial: disk, memory, processor time
    cgroup         the same limits, enforced by the kernel
    cores          processor cores for each trial

Only `child` runs code of the submission. All other modules are trusted, and do not trust what a trial reports.
"""
