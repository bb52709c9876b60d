"""Plausible wrong answers to p2_1_frameworks, each with what its author should be told; and right answers written another way."""

import itertools
import json
import math
import re
import secrets
import time

import torch
from handbook.stack_cards import CATALOGUE

from grader.mutation import edit, edit_variant, mutant, variant

LOAD, CHAT, STACK, EVEN = "frameworks-load-weights", "frameworks-chat-response", "frameworks-choose-stack", "frameworks-break-even"

# ---------------------------------------------------------------------------------------------- weights

edit(LOAD, "never_transposes", "The '.T' is cut off the name, but the matrix stays as it was: a square one raises no error and gives wrong numbers.", ("target[:-2], tensor.T", "target[:-2], tensor"))
edit(
    LOAD,
    "leaves_square_matrices",
    "Square matrices are not transposed, as their shape fits anyway; the layout is wrong all the same.",
    ("target[:-2], tensor.T", "target[:-2], tensor if tensor.shape[0] == tensor.shape[1] else tensor.T"),
)
edit(
    LOAD,
    "transposes_every_matrix",
    "Every tensor with two axes is transposed; only a target that ends in '.T' asks for it.",
    ("        if target in loaded:", "        elif tensor.ndim == 2:\n            tensor = tensor.T\n        if target in loaded:"),
)
edit(LOAD, "keeps_the_mark", "The '.T' is left in the new name; it is an instruction and no part of the name.", ("target[:-2], tensor.T", "target, tensor.T"))
edit(LOAD, "one_digit_only", "* stands for one digit, so layer 10 is not found; it stands for all digits of a number.", (r"(\d+)", r"(\d)"))
edit(LOAD, "star_takes_anything", "* takes any text; it stands for digits only, so that a rule can't swallow names it was not made for.", (r"(\d+)", r"(.+)"))
edit(LOAD, "dots_are_wild", "The dots of a name are not escaped, and in a regular expression a dot fits any character: use re.escape.", ("map(re.escape, source.split", "map(str, source.split"))
edit(
    LOAD,
    "fits_the_beginning",
    "A rule that fits the beginning of a name is taken to fit the whole; use fullmatch.",
    ("if pattern.fullmatch(name)]", "if pattern.match(name)]"),
    (".fullmatch(name).groups()", ".match(name).groups()"),
)
edit(
    LOAD,
    "fits_anywhere",
    "A rule that fits a part of a name is taken to fit the whole; use fullmatch.",
    ("if pattern.fullmatch(name)]", "if pattern.search(name)]"),
    (".fullmatch(name).groups()", ".search(name).groups()"),
)
edit(
    LOAD,
    "dollar_lets_a_newline_through",
    "A pattern that ends in $ also fits a name with a line break after it; fullmatch does not.",
    ("if pattern.fullmatch(name)]", "if re.match(pattern.pattern + '$', name)]"),
    (".fullmatch(name).groups()", ".match(name).groups()"),
)
edit(LOAD, "first_number_everywhere", "Every * of the target gets the first number of the name; they go in by order.", ('target.replace("*", number, 1)', 'target.replace("*", number)'))
edit(LOAD, "numbers_in_reverse", "The numbers go into the target from the last to the first; the first * gets the first number.", (".fullmatch(name).groups():", ".fullmatch(name).groups()[::-1]:"))
edit(LOAD, "numbers_as_ints", "The digits go through int(), and 003 becomes 3; they stay as they were written.", ('"*", number, 1', '"*", str(int(number)), 1'))
edit(LOAD, "last_rule_wins", "If two rules fit, the last one is used; the docstring says the first.", ("used.add(fits[0])", "fits = fits[::-1]\n        used.add(fits[0])"))
edit(LOAD, "longest_rule_wins", "If two rules fit, the longer one is used; the docstring says the first.", ("used.add(fits[0])", "fits.sort(key=len, reverse=True)\n        used.add(fits[0])"))
edit(LOAD, "skips_what_it_does_not_know", "A tensor without a rule is left out in silence; that is a KeyError.", ('raise KeyError(f"no rule for {name}")', "continue"))
edit(LOAD, "keeps_unknown_names", "A tensor without a rule keeps its name; that is a KeyError.", ('raise KeyError(f"no rule for {name}")', "loaded[name] = tensor.clone()\n            continue"))
edit(LOAD, "ignores_what_is_missing", "A rule that found no tensor is ignored, so a hole in the checkpoint goes unseen; that is a KeyError.", ("if missing := set(rename) - used:", "if missing := False:"))
edit(LOAD, "all_that_fit_are_used", "A rule that never came first counts as used; it found no tensor, and that is a KeyError.", ("used.add(fits[0])", "used.update(fits)"))
edit(LOAD, "overwrites", "The second tensor of one name replaces the first; that is a ValueError, or a tensor is lost.", ("if target in loaded:", "if False:"))
edit(LOAD, "transposes_all_axes", "`.T` of a tensor with one or three axes goes through; that is a ValueError.", ("if tensor.ndim != 2:", "if False:"))
edit(LOAD, "transposes_three_axes", "A tensor with three axes is transposed; only a matrix can be, and the rest is a ValueError.", ("if tensor.ndim != 2:", "if tensor.ndim < 2:"), ("target[:-2], tensor.T", "target[:-2], tensor.transpose(-1, -2)"))
edit(LOAD, "wrong_kind_of_error", "A tensor that can't be transposed raises KeyError; the docstring promises ValueError.", ('raise ValueError(f"{name} has', 'raise KeyError(f"{name} has'))
edit(LOAD, "no_copy", "The result shares memory with the checkpoint: training one changes the other. Clone each tensor.", (".detach().clone(memory_format=torch.contiguous_format)", ".detach()"))
edit(LOAD, "copy_in_the_old_order", "A clone of a transposed view keeps the order of the view, so it is not contiguous.", (".clone(memory_format=torch.contiguous_format)", ".clone()"))
edit(LOAD, "contiguous_is_no_copy", ".contiguous() copies only what is not contiguous yet; the rest still shares memory with the checkpoint.", (".clone(memory_format=torch.contiguous_format)", ".contiguous()"))
edit(LOAD, "converts_to_float32", "Everything becomes float32; the dtype stays as it was.", (".detach().clone(", ".detach().float().clone("))
edit(LOAD, "integers_become_floats", "A tensor of whole numbers becomes one of floats; the dtype stays as it was.", (".detach().clone(", ".detach().mul(1.0).to(tensor.dtype if tensor.is_floating_point() else torch.float32).clone("))
edit(LOAD, "refuses_a_single_row", "A matrix with one row is refused; it has two axes, and can be transposed.", ("if tensor.ndim != 2:", "if tensor.squeeze().ndim != 2:"))
edit(LOAD, "empties_the_checkpoint", "Tensors are taken out of state_dict; leave it as it came.", ("for name, tensor in state_dict.items():", "for name, tensor in [(name, state_dict.pop(name)) for name in list(state_dict)]:"))


@mutant(LOAD, provides="load_weights")
def names_only(state_dict, rename):
    """Names are replaced piece by piece in the text, so a rule also changes names that only contain it, and nothing is ever missing."""
    loaded = {}
    for name, tensor in state_dict.items():
        for source, target in rename.items():
            for number in re.findall(r"\d+", name)[:1] or [""]:
                name = name.replace(source.replace("*", number), target.replace("*", number))
        loaded[name.removesuffix(".T")] = (tensor.T if name.endswith(".T") else tensor).contiguous().clone()
    return loaded


@variant(LOAD, provides="load_weights")
def by_hand_without_regular_expressions(state_dict, rename):
    """Right: walks over the pieces of the rule, and copies through a fresh tensor."""

    def numbers(rule, name):
        pieces = rule.split("*")
        if not name.startswith(pieces[0]):
            return None
        at, found = len(pieces[0]), []
        for piece in pieces[1:]:
            digits = "".join(itertools.takewhile(lambda c: c in "0123456789", name[at:]))
            at += len(digits)
            if not digits or not name.startswith(piece, at):
                return None
            at += len(piece)
            found.append(digits)
        return found if at == len(name) else None

    unused, result = dict(rename), {}
    for name in state_dict:
        rule = next((rule for rule in rename if numbers(rule, name) is not None), None)
        if rule is None:
            raise KeyError(name)
        unused.pop(rule, None)
        pieces, found = rename[rule].split("*"), iter(numbers(rule, name))
        new = pieces[0] + "".join(next(found) + piece for piece in pieces[1:])
        value = state_dict[name]
        if new[-2:] == ".T":
            if value.dim() != 2:
                raise ValueError(name)
            new, value = new[:-2], torch.einsum("ij->ji", value)
        if result.setdefault(new, None) is not None:
            raise ValueError(new)
        fresh = torch.empty(value.shape, dtype=value.dtype)
        result[new] = fresh.copy_(value)
    if unused:
        raise KeyError(unused)
    return result


@variant(LOAD, provides="load_weights")
def in_two_steps(state_dict, rename):
    """Right: first a plan for all names, then the tensors; another order of the result."""
    plan, unused = {}, set(rename)
    for name in reversed(list(state_dict)):
        for old, new in rename.items():
            match = re.match("^" + re.escape(old).replace(r"\*", "([0-9]+)") + r"\Z", name)
            if match:
                groups = iter(match.groups())
                target = re.sub(r"\*", lambda _, groups=groups: next(groups), new)
                if target.removesuffix(".T") in {row[0] for row in plan.values()}:
                    raise ValueError(f"twice: {target}")
                plan[name] = target.removesuffix(".T"), target.endswith(".T")
                unused.discard(old)
                break
        else:
            raise KeyError(name)
    if unused:
        raise KeyError(*unused)
    if any(turned and state_dict[name].dim() != 2 for name, (_, turned) in plan.items()):
        raise ValueError("not a matrix")
    return {new: torch.clone(state_dict[name].t().contiguous() if turned else state_dict[name].contiguous()) for name, (new, turned) in plan.items()}


# --------------------------------------------------------------------------------------------- responses

edit(CHAT, "prompt_counts_for_each", "The prompt is counted once for each reply; the model reads it once.", ('"prompt_tokens": prompt_tokens,', '"prompt_tokens": prompt_tokens * len(replies),'), ("prompt_tokens + written", "prompt_tokens * len(replies) + written"))
edit(CHAT, "total_without_the_prompt", "total_tokens leaves out the prompt; it is prompt and completion together.", ("prompt_tokens + written", "written"))
edit(CHAT, "counts_the_first_reply", "Only the first reply's tokens count; all of them were written.", ("sum(reply[\"tokens\"] for reply in replies)", "sum(reply[\"tokens\"] for reply in replies[:1])"))
edit(CHAT, "counts_words", "Tokens are counted as words of the text; the number of tokens is given in the reply.", ('sum(reply["tokens"] for reply in replies)', 'sum(len((reply["text"] or "").split()) for reply in replies)'))
edit(CHAT, "always_stop", "finish_reason is always \"stop\"; a client must learn that a reply was cut.", ('reason = "length" if not reply["ended"] else "tool_calls" if reply.get("calls") else "stop"', 'reason = "stop"'))
edit(CHAT, "length_and_stop_swapped", "\"length\" and \"stop\" are swapped: a reply that has ended by itself stops.", ('"length" if not reply["ended"]', '"length" if reply["ended"]'))
edit(CHAT, "calls_before_the_cut", "A reply that was cut in the middle of a call is \"length\", whatever it holds: its arguments may be incomplete.", ('"length" if not reply["ended"] else "tool_calls" if reply.get("calls") else "stop"', '"tool_calls" if reply.get("calls") else "length" if not reply["ended"] else "stop"'))
edit(CHAT, "calls_are_no_reason", "A reply with tool calls has the finish_reason \"tool_calls\", or no client will run them.", ('"tool_calls" if reply.get("calls") else "stop"', '"stop"'))
edit(CHAT, "calls_key_is_enough", "An empty list of calls is taken for a call; ask whether there is anything in it.", ('else "tool_calls" if reply.get("calls")', 'else "tool_calls" if "calls" in reply'))
edit(CHAT, "arguments_as_a_dict", "arguments is a dict; in this interface it is a text that holds JSON.", ("json.dumps(arguments)", "arguments"))
edit(CHAT, "arguments_by_str", "str() of a dict has single quotes and True, which is not JSON; use json.dumps.", ("json.dumps(arguments)", "str(arguments)"))
edit(CHAT, "first_call_only", "Only the first call of a reply is passed on.", ('for name, arguments in reply["calls"]', 'for name, arguments in reply["calls"][:1]'))
edit(CHAT, "calls_share_an_id", "All calls of a reply have one id; a client answers each call by its own.", ('f"call_{uuid.uuid4().hex}"', 'f"call_{index}"'))
edit(CHAT, "call_without_type", "A tool call lacks \"type\": \"function\".", ('.hex}", "type": "function", ', '.hex}", '))
edit(CHAT, "function_not_nested", "name and arguments belong in the dict \"function\" of the call.", ('"function": {"name": name, "arguments": json.dumps(arguments)}', '"name": name, "arguments": json.dumps(arguments)'))
edit(CHAT, "calls_beside_the_message", "tool_calls stands beside the message; it belongs in it.", ('choices.append({"index": index, "message": message, "finish_reason": reason})', 'choices.append({"index": index, "message": message, "finish_reason": reason})\n        if "tool_calls" in message:\n            choices[-1]["tool_calls"] = message.pop("tool_calls")'))
edit(CHAT, "empty_text_for_none", "A reply without a text has the content None, not an empty text.", ('"content": reply["text"]}', '"content": reply["text"] or ""}'))
edit(CHAT, "none_for_empty_text", "An empty text is a text; only None is None.", ('"content": reply["text"]}', '"content": reply["text"] or None}'))
edit(CHAT, "drops_the_text_of_calls", "The text before a call is dropped; a reply may have both.", ('"content": reply["text"]}', '"content": None if reply.get("calls") else reply["text"]}'))
edit(CHAT, "tidies_the_text", "The text is stripped of its spaces and line breaks; it goes back as it is.", ('"content": reply["text"]}', '"content": reply["text"] and reply["text"].strip()}'))
edit(CHAT, "counts_from_one", "index starts at 1; the first choice is 0.", ("enumerate(replies)", "enumerate(replies, 1)"))
edit(CHAT, "index_is_always_zero", "Every choice has the index 0; they count up.", ('"index": index, "message"', '"index": 0, "message"'))
edit(CHAT, "created_is_a_float", "created has decimals; it is an int.", ("int(time.time())", "time.time()"))
edit(CHAT, "created_in_milliseconds", "created is in milliseconds; it is in seconds since 1970.", ("int(time.time())", "int(time.time() * 1000)"))
edit(CHAT, "created_is_a_date", "created is a date as text; it is an int in seconds since 1970.", ("int(time.time())", "time.ctime()"))
edit(CHAT, "created_at_import", "created does not tell the time: it is 0.", ("int(time.time())", "0"))
edit(CHAT, "object_of_a_stream", "\"chat.completion.chunk\" is the object of a stream's pieces; a whole body is \"chat.completion\".", ('"object": "chat.completion",\n', '"object": "chat.completion.chunk",\n'))
edit(CHAT, "role_of_the_user", "The reply speaks as the user; its role is \"assistant\".", ('"role": "assistant"', '"role": "user"'))
edit(CHAT, "text_without_a_message", "The text stands in the choice, as in plain completions; a chat has a message with role and content.", ('"message": message, "finish_reason"', '"text": reply["text"], "finish_reason"'))
edit(CHAT, "id_without_its_beginning", "The id lacks \"chatcmpl-\" at its beginning.", ('f"chatcmpl-{uuid', 'f"{uuid'))
edit(CHAT, "id_of_the_second", "The id is made of the time: two calls in one second get the same.", ('f"chatcmpl-{uuid.uuid4().hex}"', 'f"chatcmpl-{int(time.time())}"'))
edit(CHAT, "id_of_three_digits", "The id has three random digits: among a few hundred bodies two will have the same.", ('f"chatcmpl-{uuid.uuid4().hex}"', 'f"chatcmpl-{uuid.uuid4().hex[:3]}"'))
edit(CHAT, "model_in_small_letters", "The model's name is written in small letters; it goes back as it came.", ('"model": model,', '"model": model.lower(),'))
edit(CHAT, "sends_text", "The body is turned into JSON already; return the dict, the server turns it into text.", ("    return {\n", "    return json.dumps({\n"), ("prompt_tokens + written},\n    }", "prompt_tokens + written},\n    })"))
edit(CHAT, "lacks_the_usage", "The body lacks \"usage\", from which the bill is made.", ('        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": written, "total_tokens": prompt_tokens + written},\n', ""))
edit(CHAT, "marks_the_replies", "The replies of the caller are changed; build new dicts.", ("    choices = []\n", "    choices = []\n    for reply in replies:\n        reply.setdefault('calls', [])\n"))
edit(CHAT, "only_one_choice", "Only the first reply becomes a choice.", ('"choices": choices,', '"choices": choices[:1],'))


@variant(CHAT, provides="chat_completion_response")
def with_every_field(model, replies, prompt_tokens):
    """Right: with optional fields that OpenAI's servers send too, tool_calls None among them, and ids from `secrets`."""
    body = {"id": "chatcmpl-" + secrets.token_urlsafe(18), "object": "chat.completion", "created": math.floor(time.time()), "model": model, "system_fingerprint": None, "service_tier": "default"}
    body["choices"] = []
    for reply in replies:
        calls = [
            {"type": "function", "id": secrets.token_hex(8), "function": {"arguments": json.dumps(arguments, ensure_ascii=False, indent=2), "name": name}, "index": n}
            for n, (name, arguments) in enumerate(reply.get("calls", ()))
        ]
        message = {"content": reply["text"], "role": "assistant", "refusal": None, "annotations": [], "tool_calls": calls or None}
        why = ("tool_calls" if calls else "stop") if reply["ended"] else "length"
        body["choices"].append({"finish_reason": why, "index": len(body["choices"]), "logprobs": None, "message": message})
    written = sum([reply["tokens"] for reply in replies])
    details = {"cached_tokens": 0, "audio_tokens": 0}
    return body | {"usage": {"total_tokens": prompt_tokens + written, "completion_tokens": written, "prompt_tokens": prompt_tokens, "prompt_tokens_details": details}}


edit_variant(CHAT, "counts_its_calls", "Right: ids from a counter of its own.", ("import uuid\n", "import uuid\nfrom itertools import count\n\nNUMBERS = count()\n"), ('f"call_{uuid.uuid4().hex}"', 'f"call_{next(NUMBERS)}"'), ('f"chatcmpl-{uuid.uuid4().hex}"', 'f"chatcmpl-{next(NUMBERS):06}"'))


# ------------------------------------------------------------------------------------------------ stacks

edit(STACK, "ignores_the_house", "Health records that must stay in the house are sent out: on_prem is not asked for.", ('offer["on_prem"] or not requirements["on_prem"]', "True"))
edit(STACK, "contract_is_enough", "An offer that may take health records counts as being in the house; a contract does not keep records in.", ('offer["on_prem"] or not requirements["on_prem"]', 'offer["on_prem"] or not requirements["on_prem"] or "phi" in offer["data"]'))
edit(STACK, "house_is_enough", "An offer in the house may take any data; what it may take stands in its own list.", ('requirements["data"] in offer["data"]', 'requirements["data"] in offer["data"] or offer["on_prem"]'))
edit(STACK, "ignores_the_data", "The kind of data is not asked for.", ('requirements["data"] in offer["data"]', "True"))
edit(STACK, "on_prem_must_be_equal", "An offer in the house is ruled out because it was not required; what is not required does no harm.", ('offer["on_prem"] or not requirements["on_prem"]', 'offer["on_prem"] == requirements["on_prem"]'))
edit(STACK, "weights_must_be_equal", "An offer with weights is ruled out because they were not required; what is not required does no harm.", ('offer["weights"] or not requirements["weights"]', 'offer["weights"] == requirements["weights"]'))
edit(STACK, "ignores_the_weights", "Whether the weights are needed is not asked for.", ('offer["weights"] or not requirements["weights"]', "True"))
edit(STACK, "quality_must_be_more", "An offer of exactly the required quality is ruled out; \"at least\" includes it.", ('offer["quality"] >= req', 'offer["quality"] > req'))
edit(STACK, "quality_is_a_wish", "The required quality rules nothing out; it is a requirement like the others.", ('offer["quality"] >= requirements["quality"]', "True"))
edit(STACK, "needs_one_engineer_more", "An offer that takes all free engineers is ruled out; exactly as many will do.", ('offer["engineers"] <= req', 'offer["engineers"] < req'))
edit(STACK, "ignores_the_engineers", "Nobody asks who runs the servers: engineers is a requirement too.", ('offer["engineers"] <= requirements["engineers"]', "True"))
edit(STACK, "budget_must_be_more", "An offer that costs exactly the budget is ruled out; \"at most\" includes it.", ("cost <= requirements", "cost < requirements"))
edit(STACK, "budget_is_for_one_machine", "The budget is compared with the price of one machine; all machines and tokens are paid.", ('cost <= requirements["budget"]', 'offer["fixed"] <= requirements["budget"]'))
edit(STACK, "fixed_once", "One machine is paid, however many the tokens need.", ('offer["fixed"] * machines', 'offer["fixed"]'))
edit(STACK, "parts_of_a_machine", "Machines are rented in parts; they come whole.", ('max(1, math.ceil(requirements["tokens"] / capacity))', 'max(1, requirements["tokens"] / capacity)'))
edit(STACK, "machines_rounded_down", "The number of machines is rounded down, so some tokens have none.", ("math.ceil(", "math.floor("))
edit(STACK, "one_machine_too_many", "A machine that is exactly full gets a second one.", ('math.ceil(requirements["tokens"] / capacity)', 'requirements["tokens"] // capacity + 1'))
edit(STACK, "no_tokens_no_machine", "Without tokens no machine is paid; at least one is rented.", ('max(1, math.ceil(requirements["tokens"] / capacity))', 'math.ceil(requirements["tokens"] / capacity)'))
edit(STACK, "forgets_the_tokens", "The price by the token is left out of the cost.", ('offer["per_million"] * requirements["tokens"] + ', ""))
edit(STACK, "price_of_one_million", "The price of one million tokens is paid, however many are needed.", ('offer["per_million"] * requirements["tokens"]', 'offer["per_million"]'))
edit(STACK, "tokens_taken_one_by_one", "tokens is in millions already; it is divided by a million once more.", ('offer["per_million"] * requirements["tokens"]', 'offer["per_million"] * requirements["tokens"] / 1e6'))
edit(STACK, "cheapest_first", "The cheapest offer wins; quality comes first, and cost only breaks ties.", ('(-offer["quality"], cost) < (-best[0]["quality"], best[1])', 'cost < best[1]'))
edit(STACK, "lowest_quality_first", "The lowest quality wins: the sign is missing.", ('(-offer["quality"], cost) < (-best[0]["quality"], best[1])', '(offer["quality"], cost) < (best[0]["quality"], best[1])'))
edit(STACK, "dearest_of_equals", "Among offers of one quality the dearest wins; the cheapest should.", ('(-offer["quality"], cost) < (-best[0]["quality"], best[1])', '(offer["quality"], cost) > (best[0]["quality"], best[1])'))
edit(STACK, "first_of_equals", "Among offers of one quality the first wins whatever it costs; the cheapest should.", ('(-offer["quality"], cost) < (-best[0]["quality"], best[1])', '-offer["quality"] < -best[0]["quality"]'))
edit(STACK, "last_of_ties", "Of two offers alike in quality and cost the last one wins; the docstring says the first.", ('cost) < (-best', 'cost) <= (-best'))
edit(STACK, "first_that_fits", "The first offer that fits is taken; a better one may follow.", ('elif best is None or (-offer["quality"], cost) < (-best[0]["quality"], best[1]):', "elif best is None:"))
edit(STACK, "first_reason_only", "Only the first field that fails is told; all of them count.", ('ruled_out[offer["name"]] = failed', 'ruled_out[offer["name"]] = failed[:1]'))
edit(STACK, "names_the_good_offers_too", "ruled_out also lists offers that fail nothing.", ("        if failed:\n            ruled_out", "        ruled_out[offer[\"name\"]] = failed\n        if failed:\n            ruled_out"))
edit(STACK, "tells_no_reasons", "ruled_out is empty; it must say for each offer that fails what rules it out.", ('"ruled_out": ruled_out}', '"ruled_out": {}}'))
edit(STACK, "tells_what_fits", "The fields that are met are listed; those that are failed were asked for.", ('ruled_out[offer["name"]] = failed', 'ruled_out[offer["name"]] = [field for field, fit in fits.items() if fit]'))
edit(STACK, "only_if_nothing_fits", "Reasons are told only if nothing is left; they are asked for always.", ('"ruled_out": ruled_out}', '"ruled_out": {} if best else ruled_out}'))
edit(STACK, "returns_the_offer", "stack is the whole offer; its name was asked for.", ('best[0]["name"], best[1]) if', 'best[0], best[1]) if'))
edit(STACK, "cost_without_machines", "The cost that is returned leaves the machines out.", ('best = offer, cost', 'best = offer, offer["per_million"] * requirements["tokens"]'))
edit(STACK, "always_the_catalogue_of_the_lesson", "The argument catalogue is ignored.", ("for offer in catalogue:", "for offer in CATALOGUE:"))
edit(STACK, "fills_up_with_the_best", "If nothing fits, the best offer is returned all the same; None says that there is none.", ("if best else (None, None)", 'if best else (max(catalogue, key=lambda o: o["quality"], default={"name": None})["name"], None)'))
edit(STACK, "zero_for_no_cost", "If nothing fits, the cost is None, not 0: a project that costs nothing would look the same.", ("if best else (None, None)", "if best else (None, 0)"))
edit(STACK, "marks_the_offers", "The caller's offers are changed; leave them as they came.", ('        capacity = offer["capacity"]\n', '        offer.setdefault("cost", None)\n        capacity = offer["capacity"]\n'))


@mutant(STACK, provides="choose_stack")
def always_the_same(requirements, catalogue=CATALOGUE):
    """The answer is the same for every card."""
    return {"stack": "open weights, own GPUs", "cost": 2500, "ruled_out": {}}


@mutant(STACK, provides="choose_stack")
def spends_the_budget(requirements, catalogue=CATALOGUE):
    """The dearest offer within the budget wins; the money is a limit and not a goal."""
    best, ruled_out = None, {}
    for o in catalogue:
        machines = 1 if o["capacity"] is None else max(1, -(-requirements["tokens"] // o["capacity"]))
        cost = o["per_million"] * requirements["tokens"] + o["fixed"] * machines
        bad = [field for field in ("on_prem", "weights") if requirements[field] and not o[field]]
        bad += ["data"] * (requirements["data"] not in o["data"]) + ["quality"] * (o["quality"] < requirements["quality"])
        bad += ["engineers"] * (o["engineers"] > requirements["engineers"]) + ["budget"] * (cost > requirements["budget"])
        if bad:
            ruled_out[o["name"]] = bad
        elif best is None or cost > best[1]:
            best = o["name"], cost
    return {"stack": best and best[0], "cost": best and best[1], "ruled_out": ruled_out}


@variant(STACK, provides="choose_stack")
def by_sorting(requirements, catalogue=CATALOGUE):
    """Right: a list of reasons for every offer, then a stable sort; tuples for lists, and floats for costs."""
    rows = []
    for o in catalogue:
        machines = max(1, -(-requirements["tokens"] // o["capacity"])) if o["capacity"] else 1
        cost = float(o["fixed"] * machines + requirements["tokens"] * o["per_million"])
        limits = {"budget": cost > requirements["budget"], "engineers": requirements["engineers"] < o["engineers"], "quality": requirements["quality"] > o["quality"]}
        wants = {field: requirements[field] and not o[field] for field in ("weights", "on_prem")}
        fails = limits | wants | {"data": requirements["data"] not in set(o["data"])}
        rows.append((o, cost, tuple(sorted(field for field in fails if fails[field]))))
    good = sorted((row for row in rows if not row[2]), key=lambda row: (5 - row[0]["quality"], row[1]))
    result = dict.fromkeys(("stack", "cost")) if not good else {"stack": good[0][0]["name"], "cost": good[0][1]}
    return {"ruled_out": {o["name"]: fails for o, _, fails in rows if fails}} | result


edit_variant(STACK, "by_min", "Right: the best of a list by min, which keeps the first of equals.", ("    best, ruled_out = None, {}\n", "    best, left, ruled_out = None, [], {}\n"),
             ('        elif best is None or (-offer["quality"], cost) < (-best[0]["quality"], best[1]):\n            best = offer, cost\n', '        else:\n            left.append((offer, cost))\n    best = min(left, key=lambda row: (-row[0]["quality"], row[1]), default=None)\n'))


# -------------------------------------------------------------------------------------------- break-even

edit(EVEN, "by_the_thousand", "The API's price is taken for a thousand tokens; it is for a million.", ("capacity / 1e6 * api_price", "capacity / 1e3 * api_price"), ("/ api_price * 1e6", "/ api_price * 1e3"))
edit(EVEN, "by_the_token", "The API's price is taken for one token; it is for a million.", ("capacity / 1e6 * api_price", "capacity * api_price"), ("/ api_price * 1e6", "/ api_price"))
edit(EVEN, "returns_millions", "The result is in millions of tokens; it is asked for in tokens.", ("/ api_price * 1e6", "/ api_price"))
edit(EVEN, "ignores_utilisation", "utilisation is ignored, as if a server never rested.", ("throughput * 3600 * 730 * utilisation", "throughput * 3600 * 730"))
edit(EVEN, "rent_by_utilisation", "The rent is paid only while the server is busy; it is paid for all hours.", ("server_cost * 730  #", "server_cost * 730 * utilisation  #"), ("throughput * 3600 * 730 * utilisation", "throughput * 3600 * 730"))
edit(EVEN, "utilisation_twice", "utilisation is applied to the rent as well as to what is written.", ("server_cost * 730  #", "server_cost * 730 * utilisation  #"))
edit(EVEN, "divides_by_utilisation", "What a server writes is divided by utilisation; a server that rests writes less.", ("730 * utilisation", "730 / utilisation"))
edit(EVEN, "point_by_utilisation", "The point is divided by utilisation; it counts tokens written, whatever the hours.", ("/ api_price * 1e6", "/ api_price * 1e6 / utilisation"))
edit(EVEN, "no_limit", "A server has no limit here; if it can't write that many tokens it never pays.", ("if saved < 0 or (saved == 0 and people_cost > 0):", "if False:"), ("max(1, math.ceil(people_cost / saved)) if people_cost else 1", "1"))
edit(EVEN, "a_month_of_720_hours", "The month has 720 hours here; the docstring says 730.", ("server_cost * 730", "server_cost * 720"), ("3600 * 730", "3600 * 720"))
edit(EVEN, "a_day_for_a_month", "The rent is for 24 hours; a month has 730.", ("server_cost * 730", "server_cost * 24"), ("3600 * 730", "3600 * 24"))
edit(EVEN, "the_hour_alone", "The point of one hour is returned; the question is a month.", ("server_cost * 730", "server_cost"), ("3600 * 730", "3600"))
edit(EVEN, "tokens_a_minute", "throughput is taken by the minute; it is tokens a second.", ("throughput * 3600", "throughput * 60"))
edit(EVEN, "forgets_the_people", "people_cost is left out.", ("(people_cost + servers * rent)", "(servers * rent)"), ("math.ceil(people_cost / saved)", "1"))
edit(EVEN, "one_server_only", "Only one server is tried; where it can't carry the people, a second may.", ("    servers = max(1, math.ceil(people_cost / saved)) if people_cost else 1\n", "    servers = 1\n    if people_cost > saved:\n        return math.inf\n"))
edit(EVEN, "people_for_each_server", "people_cost is paid for each server; it is paid once.", ("(people_cost + servers * rent)", "servers * (people_cost + rent)"))
edit(EVEN, "parts_of_a_server", "Servers are rented in parts; they come whole.", ("math.ceil(people_cost / saved)", "people_cost / saved"))
edit(EVEN, "rounds_to_whole_tokens", "The point is rounded to whole tokens; the docstring says that it need not be whole.", ("return (people_cost + servers * rent) / api_price * 1e6", "return float(round((people_cost + servers * rent) / api_price * 1e6))"))
edit(EVEN, "servers_rounded_down", "The number of servers is rounded down, and they can't write so many tokens.", ("math.ceil(people_cost", "math.floor(people_cost"))
edit(EVEN, "one_server_too_many", "One server too many is rented.", ("max(1, math.ceil(people_cost / saved)) if people_cost else 1", "math.floor(people_cost / saved) + 2"))
edit(EVEN, "no_server_without_people", "Without people no server is rented; at least one is.", ("max(1, math.ceil(people_cost / saved)) if people_cost else 1", "math.ceil(people_cost / saved)"))
edit(EVEN, "rent_of_the_first", "The rent of the first server alone is paid.", ("servers * rent)", "rent)"))
edit(EVEN, "none_for_never", "None is returned if it never pays; the docstring says math.inf.", ("return math.inf", "return None"))
edit(EVEN, "zero_for_never", "0 is returned if it never pays: that would mean at once.", ("return math.inf", "return 0.0"))
edit(EVEN, "raises_for_never", "A server that never pays is no error; the answer is math.inf.", ("return math.inf", "raise ValueError"))
edit(EVEN, "capacity_of_a_server", "What a server can write in a month is returned, not where it pays.", ("return (people_cost + servers * rent) / api_price * 1e6", "return capacity * servers"))
edit(EVEN, "removes_the_test", "The given test of the arguments is gone; the docstring promises a ValueError.", ("if min(api_price, server_cost, throughput) <= 0 or not 0 < utilisation <= 1 or people_cost < 0:", "if False:"))
edit(EVEN, "people_always_pay", "With people the answer is infinity wherever they earn more than one server saves each hour.", ("if saved < 0 or (", "if people_cost > rent or saved < 0 or ("))


@variant(EVEN, provides="break_even_tokens")
def server_by_server(api_price, server_cost, throughput, utilisation=1.0, people_cost=0.0):
    """Right: tries one server after the other, and prices by the token."""
    if api_price <= 0 or server_cost <= 0 or throughput <= 0 or utilisation <= 0 or utilisation > 1 or people_cost < 0:
        raise ValueError
    token, month = api_price / 1_000_000, 730 * 60 * 60
    can_write = month * utilisation * throughput
    if can_write * token <= server_cost * 730:
        return float("inf")
    tries = ((n * can_write, (n * server_cost * 730 + people_cost) / token) for n in itertools.count(1))
    return next(needed for most, needed in tries if needed <= most)


edit_variant(EVEN, "by_the_price_of_a_token", "Right: compares prices a million tokens before anything else.", ("    if saved < 0 or (saved == 0 and people_cost > 0):\n", "    if server_cost / (throughput * 3600 * utilisation) * 1e6 >= api_price:\n"), ("max(1, math.ceil(people_cost / saved))", "max(-int(-people_cost // saved), 1)"))
