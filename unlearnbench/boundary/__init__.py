"""The boundary: untrusted code, fenced in. A request goes in; weights come out, or the reason why there are none.

    harness                          │ outside: nothing here has seen a label, a password or the store
                                     │
    boundary.Boundary ── socket ──> server ── fork ──> guardian ── fork ──> child
        │                            │  has only        │  watches one      │  the trial: makes the public
        │                            │  imported        │  trial: clock,    │  Problem of the request, imports the
        │                            │  torch           │  limits; kills    │  submission, calls `unlearn`, saves
        │                            │                  │  what is left     │  weights.safetensors, never a pickle
        <──────── events and the file of weights ───────┘

    isolation   the two levels, `process` and `strict`, and the bubblewrap commands of the strict one
    sandbox     system calls: join the namespaces of a trial, give up privileges
    limits      what all processes of a trial use: disk, memory, processor time

The submission runs in `child`. All else is the harness's, and believes nothing that a trial says of itself.
"""
