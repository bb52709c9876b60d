"""The seam: one `submission` for checks in the notebook and in grading.

A check talks to the learner's work only through `submission`, which is a LocalSubmission in the notebook and at the
terminal, and in class-size grading a RemoteSubmission on a process that is in `serve()`. Both use the same agent and
codec, so copies, handles and refusals are the same.

    submission.f(x, k=1)           the result: plain values by copy, anything else as a Handle
    submission["run"]              a name that is private or one of ours: run each keep value has output calls
    h.attr, h(x), h[i], len(h), for item in h      the same, asked of the object on the far side
    submission.run(nn.Linear, 5, 3)                call a library's callable there
    submission.run(probe, h, x)    send a self-contained `def` of the check file as source and call it there
    submission.each("f", cases)    many calls by one message; each case is a tuple of arguments, results come in order
    submission.keep(x)             a handle on a far copy of x;  submission.value(h): its present value
    submission.has("f")            whether the learner defined it
    submission.output              what was printed;  submission.calls: what was called and what came back

Plain are None, bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, slice, range, tensors (with
requires_grad and .grad), arrays, dtypes and devices. Subclasses arrive as their base (a named tuple as tuple, a Counter
as dict, a NumPy number as number, a Parameter as tensor); dataclasses, enums and iterators stay behind as handles.
Aliasing and strides don't cross.

LearnerError means that the learner's code raised. LearnerTimeout, LearnerGone and SeamError are not LearnerErrors, so a
check that expects an exception is not satisfied by a dead process. Decide only on this side, with plain values: what
comes back is what the learner's process claims.
"""
from grader.seam.agent import serve
from grader.seam.codec import decode, encode
from grader.seam.errors import LearnerError, LearnerGone, LearnerTimeout, MissingAttribute, MissingLength, SeamError
from grader.seam.handle import Handle
from grader.seam.link import CallRecord
from grader.seam.submission import NO_ANSWER, LocalSubmission, RemoteSubmission, Submission
from grader.seam.tolerant import Raised, TolerantSubmission, tolerant
from grader.seam.values import CodecError, Limits

__all__ = ["NO_ANSWER", "CallRecord", "CodecError", "Handle", "LearnerError", "LearnerGone", "LearnerTimeout", "Limits",
           "LocalSubmission", "MissingAttribute", "MissingLength", "Raised", "RemoteSubmission", "SeamError",
           "Submission", "TolerantSubmission", "decode", "encode", "serve", "tolerant"]
