"""Attacks by what an answer returns: objects that lie, never end, are huge, or act when they are looked at."""
from __future__ import annotations

from tests.hostile.attack import attack

MASK = dict(lesson="p1_4_attention", exercise="attention-causal-mask")
SDPA = dict(lesson="p1_4_attention", exercise="attention-scaled-dot-product")
TOP_K = dict(lesson="p1_1_what_are_llms", exercise="sampling-top-k")
HEAD = dict(lesson="p1_6_task_specific_training", exercise="finetune-classifier-head")
TRIAGE = dict(lesson="p1_1_what_are_llms", exercise="use-cases-triage")
FAILED = r"failed|can't be used|can't be looked at|error in your code"


def returns(expression, head=""):
    """An answer to the causal mask that returns this."""
    return {"answer": f"import torch\n{head}\n\ndef causal_mask(n):\n    return {expression}\n"}


@attack(**MASK, earns=0.0, says=FAILED)
def equals_everything(answer):
    """Returns an object that equals everything and is true."""
    return returns("Same()", "class Same:\n    shape, dtype, ndim = (), torch.bool, 2\n    def __eq__(self, other):\n        return True\n"
                             "    def __bool__(self):\n        return True\n    def __getattr__(self, name):\n        return self\n    def __call__(self, *a, **k):\n        return self\n")


@attack(**MASK, earns=0.0, says=FAILED)
def tensor_that_equals_everything(answer):
    """Returns a tensor of a class of its own that answers every question of torch with yes."""
    return returns("torch.zeros(n, n).as_subclass(Same)", "class Same(torch.Tensor):\n    def __eq__(self, other):\n        return True\n"
                   "    @classmethod\n    def __torch_function__(cls, function, types, args=(), kwargs=None):\n        return True\n")


@attack(**MASK, earns=0.0, says=FAILED)
def tensor_that_lies_about_its_shape(answer):
    """Returns one number under a shape, a dtype and a size that are not its own."""
    return returns("Liar(torch.zeros(1))", "class Liar(torch.Tensor):\n    shape = property(lambda self: torch.Size([5, 5]))\n    dtype = property(lambda self: torch.bool)\n"
                   "    def numel(self):\n        return 25\n    def size(self, *a):\n        return torch.Size([5, 5])\n    def tolist(self):\n        return [[j <= i for j in range(5)] for i in range(5)]\n")


@attack(**MASK, earns=0.0, says=FAILED)
def object_that_claims_a_class(answer):
    """Returns an object whose __class__ says that it is a tensor."""
    return returns("Claim()", "class Claim:\n    __class__ = torch.Tensor\n    __array_interface__ = {'shape': (9,), 'typestr': '<f8', 'data': (4096, False), 'version': 3}\n"
                              "    def __len__(self):\n        return 1 << 50\n    def __array__(self, *a, **k):\n        raise SystemExit\n")


@attack(**MASK, earns=0.0, says=FAILED + "|__reduce__")
def acts_when_it_is_unpickled(answer):
    """Returns an object that would leave a mark on the grading machine if it were pickled and read there."""
    return returns("Trap()", "class Trap:\n    def __reduce__(self):\n        import os\n        return os.system, ('mkdir -p %OUTSIDE%/harm && touch %OUTSIDE%/harm/by-a-pickle',)\n")


@attack(**MASK, earns=0.0, says=FAILED + "|too slow")
def describes_itself_for_ever(answer):
    """Returns an object whose text, hash, length and representation never end."""
    return returns("Endless()", "class Endless:\n    def __repr__(self):\n        while True:\n            pass\n    __str__ = __hash__ = __len__ = __format__ = __iter__ = __repr__\n")


@attack(**MASK, earns=0.0, says=FAILED + "|too slow")
def raises_what_cannot_be_shown(answer):
    """Raises an error whose text never ends, of a class whose name is a lie."""
    return {"answer": "class Unshown(BaseException):\n    def __str__(self):\n        while True:\n            pass\n    __repr__ = __str__\n    args = property(__str__)\n\nUnshown.__name__ = 'ValueError'\n\n"
                      "def causal_mask(n):\n    raise Unshown()\n"}


@attack(**MASK, earns=0.0, says=FAILED + "|too slow")
def iterates_for_ever(answer):
    """Returns an iterator without end."""
    return returns("iter(int, 1)")


@attack(**MASK, earns=0.0, says=FAILED + "|too large|too slow")
def expands_to_petabytes(answer):
    """Returns a tensor of one number that claims 2 to the 50 of them, without using memory."""
    return returns("torch.zeros(1).expand(1 << 50)")


@attack(**MASK, earns=0.0, says=FAILED + "|too slow|too many|[Mm]emory")
def returns_ten_million_things(answer):
    """Returns a list of ten million texts."""
    return returns("['x'] * 10_000_000")


@attack(**MASK, earns=0.0, says=FAILED + "|too deep")
def returns_a_deep_list(answer):
    """Returns a list in a list, 100,000 deep, and one that holds itself."""
    return {"answer": "def causal_mask(n):\n    deep = []\n    for _ in range(100_000):\n        deep = [deep]\n    own = []\n    own.append(own)\n    return deep if n % 2 else own\n"}


@attack(**TRIAGE, earns=0.0, says=FAILED + "|too slow|not attempted")
def collides_in_every_set(answer):
    """Returns whole numbers that share one hash, so that building a set of them takes for ever."""
    return {"answer": "def triage(*args, **kwargs):\n    return {number * ((1 << 61) - 1): None for number in range(20_000)}\n"}


@attack(**MASK, earns=0.0, says=FAILED)
def returns_an_absurd_number(answer):
    """Returns a whole number of 100,000 digits, which Python refuses to write down."""
    return returns("1 << 332_000")


@attack(**SDPA, earns=0.0, says=FAILED)
def hopes_for_nan(answer):
    """Returns NaN, which some comparisons let pass."""
    return {"answer": "import torch\n\ndef scaled_dot_product_attention(q, k, v, mask=None):\n    return torch.full((*q.shape[:-1], v.shape[-1]), float('nan'))\n"}


@attack(**TOP_K, earns=0.0, says=FAILED)
def answers_with_its_argument(answer):
    """Changes the judge's tensor in place and returns it, in the hope that both sides of the comparison are one."""
    return {"answer": "def top_k_filter(logits, k):\n    logits.zero_()\n    return logits\n"}


@attack(**HEAD, earns=0.0, says=FAILED)
def layer_that_lies(answer):
    """Defines a layer that shows the right parameters, takes any state and computes nothing."""
    return {"answer": "import torch\nfrom torch import nn\n\nclass ClassifierHead(nn.Module):\n    def __init__(self, d_model, n_classes):\n        super().__init__()\n"
                      "        self.linear = nn.Linear(d_model, n_classes)\n        self.n = n_classes\n\n    def load_state_dict(self, state, strict=True, **more):\n        return None\n\n"
                      "    def __getattr__(self, name):\n        try:\n            return super().__getattr__(name)\n        except AttributeError:\n            return lambda *a, **k: None\n\n"
                      "    def forward(self, tokens, mask):\n        return torch.zeros(len(tokens), self.n)\n"}


@attack(**MASK, earns=0.0, says=FAILED + "|too slow|not attempted")
def changes_what_it_is(answer):
    """Deletes itself in the first call and becomes something else in every later one."""
    return {"answer": "import torch\n\ndef causal_mask(n):\n    globals()['causal_mask'] = torch.zeros(n, n, dtype=torch.bool)\n    return torch.zeros(n, n, dtype=torch.bool)\n"}
