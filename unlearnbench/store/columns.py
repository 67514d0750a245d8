"""The columns of a table of trials: of a board, trials.csv, a baseline and an export.

A row is a trial, or a place on the board without one. Unknown and unmeasured values are empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "json", "integer", "number", "share", "flag", "moment"]

DTYPES: dict[Kind, str] = {
    "text": "string",
    "json": "string",
    "integer": "Int64",
    "number": "float64",
    "share": "float64",
    "flag": "boolean",
    "moment": "datetime64[us]",
}
"""The dtype of each kind of column. A board's frame holds text as object and columns without gaps as NumPy dtypes.
Shares are in [0, 1], other numbers are not negative, moments are in UTC."""


@dataclass(frozen=True)
class Column:
    kind: Kind
    what: str
    given: bool = False
    """Whether every row has a value in this column."""


def _of(kind: Kind, given: bool = False, /, **columns: str) -> dict[str, Column]:
    return {name: Column(kind, what, given) for name, what in columns.items()}


COLUMNS: dict[str, Column] = {
    **_of("text", True, suite="name of the suite", method="label of the method: what the next four columns say"),
    **_of("text", True, submission="name of the submission", variant="its variant, such as `default`"),
    **_of("share", True, capacity="active share of the channels of the original that it starts from"),
    **_of("text", True, training="how that original was trained: `standard` or `tied-dropout`"),
    **_of("text", True, title="title of the submission", role="`ranked` or `reference`"),
    **_of("text", True, source_hash="SHA-256 of the submission's source"),
    **_of("json", True, hyperparameters="those of the variant"),
    **_of("text", True, corruption="name of the corruption", regularity="`low`, `medium` or `high`"),
    **_of("share", True, discovery_rate="discovered share of the corrupted samples"),
    **_of("text", True, seed="label of the seed: what the next three columns say"),
    **_of("integer", True, corruption_seed="seed of corruption and discovery", training_seed="seed of the original"),
    **_of("integer", True, unlearning_seed="seed of the method"),
    **_of("text", True, state="`finished`, `failed`, or `missing` where there is no record"),
    **_of("text", reason="why it failed", detail="end of what the trial printed, with the traceback of a failed one"),
    **_of("text", earlier="failures before it was run again: when, in which run, why"),
    **_of("flag", True, whole="the method has a record in every place of this seed: no other seed counts in a mean"),
    **_of("flag", True, again="a trial without a forget set counts at every discovery rate: true but at the first"),
    **_of("integer", corrupted="number of corrupted training samples"),
    **_of(
        "share",
        healed_train="of all corrupted training samples",
        healed_discovered="of the discovered ones",
        healed_undiscovered="of the others; empty where everything was discovered",
        misled_discovered="share that still gets the corruption's label; so for the undiscovered",
        misled_undiscovered="",
        attack_success="share of test images that get the corruption's label",
        healed_test="of test images that the corruption concerns",
        utility="accuracy on clean test images",
        utility_train="accuracy on clean training samples",
        aggregate="healed_train x utility",
    ),
    **_of("number", selection_score="Acc(D_r) (1 - max(Acc(D_f), gamma)) against the labels of D_tr"),
    **_of(
        "number",
        seconds="importing the submission and in `unlearn`",
        processor_seconds="processor time of all processes of the trial",
        evaluation_seconds="",
        total_seconds="from the request for a process to the record",
    ),
    **_of("integer", forward_samples="samples in forward passes", backward_samples="samples in backward passes"),
    **_of("text", weights_hash="SHA-256 of the weights that it gave", original="key of the original"),
    **_of("text", original_weights_hash="SHA-256 of the weights that it started from: equal ones make a pair"),
    **_of(
        "share",
        original_healed_train="as above, of the original",
        original_healed_test="",
        original_utility="",
        original_utility_train="",
        original_aggregate="",
        memorised="share of the corrupted samples that the original gives their wrong label",
    ),
    **_of("flag", absorbed="whether the original learnt the corruption"),
    **_of("text", device="`cpu` or the GPU's name", precision="floating-point type"),
    **_of("integer", threads="threads of the trial"),
    **_of("text", isolation="its level", limits="`counted`, or `enforced` by the kernel"),
    **_of("integer", protocol_version="that of the record"),
    **_of("moment", created_at="when it was recorded"),
    **_of("text", trial="key of the trial", problem="key of the problem"),
    **_of("text", run="key of the run that recorded it, or planned it if there is no record"),
    **_of("moment", run_started_at="when that run started"),
    **_of("text", revision="revision of the harness"),
    **_of("json", versions="of Python and packages", hardware="of the machine of the run"),
}
