"""Plausible wrong answers to p3_3_prompting, each with what its author should be told; and right answers written another way."""

import json
import math
import re
from collections import Counter

from handbook.simulators import count_tokens

from grader.mutation import edit, edit_variant, mutant, variant

RENDER, SHOTS, SCORES, CALIBRATE = "prompt-render-template", "prompt-few-shot", "prompt-label-scores", "prompt-calibrate"
VOTE, STEP = "prompt-self-consistency", "prompt-json-step"

# ------------------------------------------------------------------------------------------------ render_template

ESCAPES = '.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")'
edit(RENDER, "does_not_escape", "A value can close its delimiter: escape &, < and >.", (ESCAPES, ""))
edit(RENDER, "escapes_ampersand_last", "The & of your own escapes is escaped again: do & first.", (ESCAPES, '.replace("<", "&lt;").replace(">", "&gt;").replace("&", "&amp;")'))
edit(RENDER, "forgets_the_ampersand", "A value “&lt;” looks like an escaped <: escape & too.", ('.replace("&", "&amp;")', ""))
edit(RENDER, "removes_the_signs", "The signs are removed instead of escaped: the text is changed.", (ESCAPES, '.replace("&", "").replace("<", "").replace(">", "")'))
edit(RENDER, "escapes_one_only", "Only the first < is escaped.", ('.replace("<", "&lt;")', '.replace("<", "&lt;", 1)'))
edit(RENDER, "only_its_own_closing_tag", "Only the closing delimiter is escaped; the docstring asks for every &, < and >.", (ESCAPES, '.replace(f"</{name}>", f"&lt;/{name}&gt;")'))
edit(RENDER, "no_delimiters", "The value stands without its delimiters.", ('f"<{name}>{value}</{name}>"', "value"))
edit(RENDER, "value_on_its_own_lines", "Line breaks are added between delimiters and value.", ('f"<{name}>{value}</{name}>"', 'f"<{name}>\\n{value}\\n</{name}>"'))
edit(RENDER, "keeps_double_braces", "Double braces of the template stay double.", ("found[0][0]", "found[0]"))
edit(RENDER, "missing_is_empty", "A slot without value is left empty; it raises KeyError.", ("values[name]", 'values.get(name, "")'))
edit(RENDER, "no_underscore", "A name may have an underscore.", ("[a-z_]+", "[a-z]+"))
edit(RENDER, "only_the_first_slot", "Only the first match is filled.", ("fill, template)", "fill, template, count=1)"))
edit(RENDER, "escapes_quotes", "Quotes are escaped as well; only &, < and > are.", (ESCAPES, ESCAPES + '.replace(\'"\', "&quot;")'))
edit(RENDER, "strips_the_value", "White space at the value's ends is lost.", ("values[name].", "values[name].strip()."))
edit(RENDER, "empties_values", "The caller's values are taken out of the dictionary.", ("return re.sub(", "values = values if values.setdefault('used', '') else values\n    return re.sub("))


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@mutant(RENDER, provides="render_template")
def fills_one_after_the_other(template, values):
    """Slots inside a value are filled too: the template is read again after each replacement."""
    for name in re.findall(r"\{([a-z_]+)\}", template):
        values[name]
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", f"<{name}>{escaped(value)}</{name}>")
    return template.replace("{{", "{").replace("}}", "}")


@mutant(RENDER, provides="render_template")
def by_format(template, values):
    """str.format refuses single braces and strange names; they stay as they are."""
    return template.format_map({name: f"<{name}>{escaped(value)}</{name}>" for name, value in values.items()})


@variant(RENDER, provides="render_template")
def by_walking(template, values):
    """Right: a walk along the template."""
    out, rest = [], template
    while rest:
        slot = re.match(r"\{([a-z_]+)\}", rest)
        if rest[:2] in ("{{", "}}"):
            out.append(rest[0])
            rest = rest[2:]
        elif slot:
            out.append(f"<{slot[1]}>{escaped(values[slot[1]])}</{slot[1]}>")
            rest = rest[slot.end() :]
        else:
            out.append(rest[0])
            rest = rest[1:]
    return "".join(out)


@variant(RENDER, provides="render_template")
def by_html_escape(template, values):
    """Right: html.escape, and the pieces by finditer."""
    import html

    out, at = "", 0
    for found in re.finditer(r"(\{\{)|(\}\})|\{([a-z_]+)\}", template):
        name = found[3]
        out += template[at : found.start()] + ("{" if found[1] else "}" if found[2] else f"<{name}>{html.escape(values[name], quote=False)}</{name}>")
        at = found.end()
    return out + template[at:]


# ------------------------------------------------------------------------------------------------ few_shot_prompt

edit(SHOTS, "leaks_the_query", "The query itself stands among the examples, with its label.", ("if text.lower() != query.lower():", "if True:"))
edit(SHOTS, "leaks_in_capitals", "The query is found only in the same capitals.", ("text.lower() != query.lower()", "text != query"))
edit(SHOTS, "drops_similar_ones", "An example that merely contains the query is left out.", ("text.lower() != query.lower()", "query.lower() not in text.lower()"))
edit(SHOTS, "lines_pose_as_shots", "Line breaks in an example stay, so that it can pose as another.", ('text = " ".join(text.split())', "text = text.strip()"))
edit(SHOTS, "query_poses_as_shot", "Line breaks in the query stay, so that it can pose as an example.", ('query = " ".join(query.split())', "query = query.strip()"))
edit(SHOTS, "budget_is_exclusive", "A prompt of exactly `budget` tokens fits.", (") <= budget", ") < budget"))
edit(SHOTS, "counts_words", "Words between spaces are counted; signs are tokens too: use count_tokens.", ("count_tokens(prompt(rounds))", "len(prompt(rounds).split())"))
edit(SHOTS, "counts_characters", "Characters are counted, not tokens.", ("count_tokens(prompt(rounds))", "len(prompt(rounds))"))
edit(SHOTS, "budget_for_examples_only", "The budget is for the whole prompt, task and query too.", ("count_tokens(prompt(rounds)) <= budget", "count_tokens(prompt(rounds)) - count_tokens(prompt(0)) <= budget"))
edit(SHOTS, "ignores_the_budget", "The budget is ignored.", ("count_tokens(prompt(rounds)) <= budget", "True"))
edit(SHOTS, "no_error", "A query that does not fit raises ValueError.", ('raise ValueError(f"the query alone takes more than {budget} tokens")', "return prompt(0)"))
edit(SHOTS, "one_round_too_few", "One round too few is tried.", ("range(most, -1, -1)", "range(max(most - 1, 0), -1, -1)"))
edit(SHOTS, "label_by_label", "All examples of one label stand together; they come in rounds.",
     ("for at in range(rounds) for label, texts in by_label.items()", "for label, texts in by_label.items() for at in range(rounds)"))
edit(SHOTS, "sorts_the_labels", "Labels are sorted; they come in the order in which they first occur.", ("for label, texts in by_label.items()", "for label, texts in sorted(by_label.items())"))
edit(SHOTS, "last_examples_first", "The last examples of a label are taken; the first come first.", ("{texts[at]}", "{texts[-1 - at]}"))
edit(SHOTS, "space_after_label", "A space follows the last `Label:`.", ('f"Text: {query}\\nLabel:"', 'f"Text: {query}\\nLabel: "'))
edit(SHOTS, "lowers_the_texts", "The examples are lower-cased.", ("append(text)", "append(text.lower())"))
edit(SHOTS, "empty_line_between", "An empty line stands between the parts.", ('"\\n".join([task', '"\\n\\n".join([task'))
edit(SHOTS, "default_budget", "The default budget is 128.", ("    query = ", "    budget = 256 if budget == 128 else budget\n    query = "))
edit(SHOTS, "cleans_in_place", "The caller's list is changed: its texts are cleaned in place.",
     ("    query = ", '    shots[:] = [(" ".join(text.split()), label) for text, label in shots]\n    query = '))


@mutant(SHOTS, provides="few_shot_prompt")
def first_that_fit(task, shots, query, budget=128):
    """The first examples are taken as they come: a label that the pool has more of is shown more often."""
    query = " ".join(query.split())
    body, end = task, f"\nText: {query}\nLabel:"
    if count_tokens(body + end) > budget:
        raise ValueError("budget")
    for text, label in shots:
        text = " ".join(text.split())
        if text.lower() == query.lower():
            continue
        grown = f"{body}\nText: {text}\nLabel: {label}"
        if count_tokens(grown + end) > budget:
            break
        body = grown
    return body + end


@mutant(SHOTS, provides="few_shot_prompt")
def skips_long_rounds(task, shots, query, budget=128):
    """A round that does not fit is skipped and a later, shorter one is taken; stop at the first that does not fit."""
    query = " ".join(query.split())
    groups = {}
    for text, label in shots:
        text = " ".join(text.split())
        if text.lower() != query.lower():
            groups.setdefault(label, []).append(text)
    body, end = task, f"\nText: {query}\nLabel:"
    if count_tokens(body + end) > budget:
        raise ValueError("budget")
    for texts in zip(*groups.values(), strict=False):
        grown = body + "".join(f"\nText: {text}\nLabel: {label}" for text, label in zip(texts, groups, strict=True))
        body = grown if count_tokens(grown + end) <= budget else body
    return body + end


@mutant(SHOTS, provides="few_shot_prompt")
def splits_a_round(task, shots, query, budget=128):
    """The last round is cut where the budget ends, so one label is shown more often; a round is taken whole."""
    query = " ".join(query.split())
    groups = {}
    for text, label in shots:
        text = " ".join(text.split())
        if text.lower() != query.lower():
            groups.setdefault(label, []).append(text)
    body, end = task, f"\nText: {query}\nLabel:"
    if count_tokens(body + end) > budget:
        raise ValueError("budget")
    for texts in zip(*groups.values(), strict=False):
        for text, label in zip(texts, groups, strict=True):
            grown = f"{body}\nText: {text}\nLabel: {label}"
            if count_tokens(grown + end) > budget:
                return body + end
            body = grown
    return body + end


@variant(SHOTS, provides="few_shot_prompt")
def grows(task, shots, query, budget=128):
    """Right: grows round by round with zip, and stops."""
    query = " ".join(query.split())
    groups = {}
    for text, label in shots:
        clean = " ".join(text.split())
        if clean.casefold() != query.casefold():
            groups.setdefault(label, []).append(clean)
    body, end = task, f"\nText: {query}\nLabel:"
    if count_tokens(body + end) > budget:
        raise ValueError("too long")
    for texts in zip(*groups.values(), strict=False):
        grown = body + "".join(f"\nText: {text}\nLabel: {label}" for text, label in zip(texts, groups, strict=True))
        if count_tokens(grown + end) > budget:
            break
        body = grown
    return body + end


@variant(SHOTS, provides="few_shot_prompt")
def by_regular_expression(task, shots, query, budget=128):
    """Right: white space by a regular expression, rounds by index, tokens added up."""
    def clean(text):
        return re.sub(r"\s+", " ", text).strip()

    left = [(clean(text), label) for text, label in shots if clean(text).lower() != clean(query).lower()]
    labels = list(dict.fromkeys(label for _, label in left))
    used = count_tokens(task) + count_tokens(f"Text: {clean(query)} Label:")
    if used > budget:
        raise ValueError("too long")
    blocks, at = [], 0
    while labels and at < min(sum(given == label for _, given in left) for label in labels):
        block = [f"Text: {[text for text, given in left if given == label][at]}\nLabel: {label}" for label in labels]
        used += sum(map(count_tokens, block))
        if used > budget:
            break
        blocks, at = blocks + block, at + 1
    return "\n".join([task, *blocks, f"Text: {clean(query)}", "Label:"])


# --------------------------------------------------------------------------------------------------- label_scores

edit(SCORES, "sums", "The sum favours short labels: take the mean.", ("sum(tokens) / len(tokens)", "sum(tokens)"))
edit(SCORES, "first_token_only", "Only the first token of each label counts.", ("sum(tokens) / len(tokens)", "tokens[0]"))
edit(SCORES, "last_token_only", "Only the last token of each label counts.", ("sum(tokens) / len(tokens)", "tokens[-1]"))
edit(SCORES, "divides_by_root", "The sum is divided by the root of the length.", ("/ len(tokens)", "/ len(tokens) ** 0.5"))
edit(SCORES, "one_too_many", "The sum is divided by one more than the number of tokens.", ("/ len(tokens)", "/ (len(tokens) + 1)"))
edit(SCORES, "underflows", "exp() of very low means is 0: subtract the largest mean.", ("math.exp(mean - top)", "math.exp(mean)"))
edit(SCORES, "not_normalised", "The shares do not sum to one.", ("weight / total for", "weight for"))
edit(SCORES, "no_softmax", "The means themselves are divided by their sum; exp() is missing.", ("math.exp(mean - top)", "mean"))
edit(SCORES, "base_two", "Powers of 2; log-probabilities in nats need exp().", ("math.exp(mean - top)", "2 ** (mean - top)"))
edit(SCORES, "sorted_labels", "The labels are sorted; keep their order.", ("for label, weight in weights.items()", "for label, weight in sorted(weights.items())"))
edit(SCORES, "silent_without_tokens", "A label without tokens raises ValueError.", ("sum(tokens) / len(tokens)", "sum(tokens) / max(1, len(tokens))"), ("if not logprobs or not all(logprobs.values())", "if not logprobs"))
edit(SCORES, "impossible_is_left_out", "A label with share 0.0 is missing.", ("for label, weight in weights.items()", "for label, weight in weights.items() if weight"))
edit(SCORES, "all_impossible_is_uniform", "If no label is possible it raises ValueError.", ('raise ValueError("no label is possible")', "return {label: 1 / len(means) for label in means}"))
edit(SCORES, "logs", "Log-shares are returned instead of shares.", ("weight / total for", "math.log(weight / total) if weight else -math.inf for"))
edit(SCORES, "sorts_the_tokens", "The caller's lists are sorted in place.", ("    means = ", "    for tokens in logprobs.values():\n        tokens.sort()\n    means = "))


@mutant(SCORES, provides="label_scores")
def mean_of_probabilities(logprobs):
    """Probabilities are averaged; average the log-probabilities."""
    if not logprobs or not all(logprobs.values()) or all(-math.inf in t for t in logprobs.values()):
        raise ValueError
    weights = {label: sum(map(math.exp, tokens)) / len(tokens) for label, tokens in logprobs.items()}
    return {label: weight / (sum(weights.values()) or 1) for label, weight in weights.items()}


@variant(SCORES, provides="label_scores")
def by_torch(logprobs):
    """Right: torch's softmax in double precision."""
    import torch

    if not logprobs or any(not tokens for tokens in logprobs.values()):
        raise ValueError("empty")
    means = torch.tensor([sum(tokens) / len(tokens) for tokens in logprobs.values()], dtype=torch.float64)
    if torch.isinf(means).all():
        raise ValueError("impossible")
    return dict(zip(logprobs, means.softmax(0).tolist(), strict=True))


@variant(SCORES, provides="label_scores")
def by_logsumexp(logprobs):
    """Right: through the log of the sum."""
    import numpy as np

    if not logprobs or min(map(len, logprobs.values())) == 0:
        raise ValueError("empty")
    means = {label: float(np.mean(tokens)) for label, tokens in logprobs.items()}
    total = float(np.logaddexp.reduce(list(means.values())))
    if total == -math.inf:
        raise ValueError("impossible")
    return {label: math.exp(mean - total) for label, mean in means.items()}


# ------------------------------------------------------------------------------------------------------ calibrate

edit(CALIBRATE, "multiplies", "The scores are multiplied by the prior; divide by it.", ("score / prior[label]", "score * prior[label]"))
edit(CALIBRATE, "upside_down", "The prior is divided by the score.", ("score / prior[label]", "prior[label] / score"))
edit(CALIBRATE, "subtracts", "The prior is subtracted; divide by it.", ("score / prior[label]", "score - prior[label]"))
edit(CALIBRATE, "not_normalised", "The result does not sum to one.", ("ratio / sum(ratios.values()) for", "ratio for"))
edit(CALIBRATE, "does_nothing", "The prior is not used.", ("score / prior[label]", "score"))
edit(CALIBRATE, "first_input_only", "Only the first content-free input is used.", ("    totals = ", "    content_free = content_free[:1]\n    totals = "))
edit(CALIBRATE, "last_input_only", "Only the last content-free input is used.", ("    totals = ", "    content_free = content_free[-1:]\n    totals = "))
edit(CALIBRATE, "large_inputs_count_more", "Inputs with larger sums count more: make each sum to one first.", ("empty[label] / total for", "empty[label] for"))
edit(CALIBRATE, "other_labels_in_the_sum", "Labels that the scores lack play a part in the sums.", ("sum(empty[label] for label in scores) for", "sum(empty.values()) for"))
edit(CALIBRATE, "sorted_labels", "The labels are sorted; keep the order of the scores.", ("for label, ratio in ratios.items()", "for label, ratio in sorted(ratios.items())"))
edit(CALIBRATE, "order_of_the_prior", "The labels stand in the order of the content-free input.", ("for label, ratio in ratios.items()", "for label, ratio in ((other, ratios[other]) for other in content_free[0] if other in ratios)"))
edit(CALIBRATE, "smooths", "A small number is added to the prior, so a prior of 0 raises nothing and the others are off.", ("score / prior[label]", "score / (prior[label] + 1e-3)"), ("if min(prior.values()) == 0:", "if False:"))
edit(CALIBRATE, "no_error_for_zero", "A prior of 0 raises ValueError.", ('raise ValueError("a label has prior 0")', "return dict(scores)"))
edit(CALIBRATE, "no_error_for_empty", "Without content-free inputs it raises ValueError.", ("if not content_free or any(", "if not content_free:\n        return dict(scores)\n    if any("))
edit(CALIBRATE, "missing_counts_as_zero", "A missing label raises ValueError.", ("    if not content_free or any(", "    content_free = [{**dict.fromkeys(scores, 0.0), **empty} for empty in content_free]\n    if not content_free or any("))
edit(CALIBRATE, "any_zero_is_an_error", "One input with a 0 is refused; only the mean must not be 0.", ("if min(totals) <= 0:", "if min(empty[label] for empty in content_free for label in scores) <= 0:"))
edit(CALIBRATE, "normalises_in_place", "The caller's scores are changed.", ("    ratios = ", "    for label in scores:\n        scores[label] /= 2\n    ratios = "))


@mutant(CALIBRATE, provides="calibrate")
def geometric_mean(scores, content_free):
    """The priors are averaged as logarithms; take the plain mean of the probabilities."""
    if not content_free or any(label not in row for row in content_free for label in scores):
        raise ValueError
    rows = [{label: row[label] / (sum(row[x] for x in scores) or 1) for label in scores} for row in content_free]
    prior = {label: math.prod(row[label] for row in rows) ** (1 / len(rows)) for label in scores}
    if min(prior.values()) == 0:
        raise ValueError
    ratios = {label: scores[label] / prior[label] for label in scores}
    return {label: ratio / sum(ratios.values()) for label, ratio in ratios.items()}


@mutant(CALIBRATE, provides="calibrate")
def mean_of_calibrations(scores, content_free):
    """Each input calibrates by itself and the results are averaged; average the priors first."""
    if not content_free or any(label not in row for row in content_free for label in scores):
        raise ValueError
    parts = []
    for row in content_free:
        if min(row[label] for label in scores) <= 0:
            raise ValueError
        ratios = {label: scores[label] / row[label] for label in scores}
        parts.append({label: ratio / sum(ratios.values()) for label, ratio in ratios.items()})
    return {label: sum(part[label] for part in parts) / len(parts) for label in scores}


@variant(CALIBRATE, provides="calibrate")
def by_numpy(scores, content_free):
    """Right: a matrix of content-free rows."""
    import numpy as np

    try:
        rows = np.array([[row[label] for label in scores] for row in content_free], dtype=float)
    except KeyError as missing:
        raise ValueError("label") from missing
    if rows.size == 0 or (rows.sum(0) == 0).any() or (rows.sum(1) == 0).any():
        raise ValueError("prior")
    out = np.array(list(scores.values())) / (rows / rows.sum(1, keepdims=True)).mean(0)
    return dict(zip(scores, (out / out.sum()).tolist(), strict=True))


@variant(CALIBRATE, provides="calibrate")
def by_sums_of_shares(scores, content_free):
    """Right: the sum instead of the mean, for the factor cancels."""
    if not content_free:
        raise ValueError("no input")
    prior = dict.fromkeys(scores, 0.0)
    for row in content_free:
        if not scores.keys() <= row.keys():
            raise ValueError("label")
        total = sum(row[label] for label in scores)
        for label in scores:
            prior[label] += row[label] / total if total else 0.0
    if not all(prior.values()):
        raise ValueError("zero")
    total = sum(scores[label] / prior[label] for label in scores)
    return {label: scores[label] / prior[label] / total for label in scores}


# ----------------------------------------------------------------------------------------------- self_consistency

WINNER = "max(votes, key=votes.__getitem__)"
edit(VOTE, "last_of_equals", "Of equals, the answer that came in last wins; it is the one whose first vote came first.", (WINNER, "max(reversed(votes), key=votes.__getitem__)"))
edit(VOTE, "alphabet_breaks_ties", "Of equals, the first in the alphabet wins; it is the one whose first vote came first.", (WINNER, "min(votes, key=lambda answer: (-votes[answer], answer))"))
edit(VOTE, "greatest_breaks_ties", "Of equals, the greatest string wins; it is the one whose first vote came first.", (WINNER, "max(votes, key=lambda answer: (votes[answer], answer))"))
edit(VOTE, "first_answer_wins", "The first answer wins, however many votes it has.", (WINNER, "next(iter(votes))"))
edit(VOTE, "needs_a_majority", "Without more than half of the votes there is no winner; the most votes are enough.", (WINNER, WINNER + "\n    if votes[winner] * 2 <= len(samples):\n        return None, 0.0"))
edit(VOTE, "tie_is_none", "A tie gives no winner; the docstring says who wins.", (WINNER, WINNER + "\n    if list(votes.values()).count(votes[winner]) > 1:\n        return None, 0.0"))
edit(VOTE, "share_of_voters", "The share is of the samples that voted; divide by the number of all.", ("votes[winner] / len(samples)", "votes[winner] / sum(votes.values())"))
edit(VOTE, "counts_not_share", "The number of votes is returned, not the share.", ("votes[winner] / len(samples)", "votes[winner]"))
edit(VOTE, "silence_votes", "Samples without an answer vote for the empty answer.", ("        if answer:\n    ", "        if True:\n    "))
edit(VOTE, "first_answer_of_a_sample", "A sample's first answer counts; its last one should.", ("parts[-1]", "parts[1]"))
edit(VOTE, "case_of_the_marker", "`answer:` is found in small letters only.", (", flags=re.IGNORECASE", ""))
edit(VOTE, "keeps_the_full_stop", "“5.” and “5” are different answers; drop one full stop at the end.", ('.removesuffix(".")', ""))
edit(VOTE, "drops_all_stops", "Every full stop is dropped, so 0.5 becomes 05.", ('.removesuffix(".")', '.replace(".", "")'))
edit(VOTE, "drops_leading_stops", "Full stops at both ends are stripped, so .5 becomes 5.", ('.removesuffix(".")', '.strip(".")'))
edit(VOTE, "keeps_capitals", "“Yes” and “yes” are different answers.", ('.removesuffix(".").lower()', '.removesuffix(".")'))
edit(VOTE, "keeps_the_lines_after", "Text on the lines after the answer belongs to it.", ('.split("\\n")[0]', ""))
edit(VOTE, "first_word_only", "Only the first word of an answer counts.", ('.removesuffix(".").lower()', '.removesuffix(".").lower().split(" ")[0]'))
edit(VOTE, "next_line_answers", "White space is stripped before the line ends, so the next line answers.", ('parts[-1].split("\\n")[0]', 'parts[-1].strip().split("\\n")[0]'))
edit(VOTE, "none_without_share", "Without votes, None alone is returned.", ("return None, 0.0", "return None"))
edit(VOTE, "sorts_samples", "The caller's list is sorted in place, and with it the ties.", ("    votes: dict", "    samples.sort()\n    votes: dict"))


@mutant(VOTE, provides="self_consistency")
def every_answer_votes(samples):
    """A sample that changes its mind votes twice; only its last answer counts."""
    found = [a.strip().removesuffix(".").lower() for s in samples for a in re.findall(r"answer:([^\n]*)", s, re.I)]
    votes = Counter(a for a in found if a)
    return (votes.most_common(1)[0][0], votes.most_common(1)[0][1] / len(samples)) if votes else (None, 0.0)


@variant(VOTE, provides="self_consistency")
def by_counter(samples):
    """Right: a Counter, which keeps the order of equals."""
    votes = Counter()
    for sample in samples:
        at = sample.lower().rfind("answer:")
        if at < 0:
            continue
        answer = sample[at + len("answer:") :].partition("\n")[0].strip().lower()
        answer = answer[:-1] if answer[-1:] == "." else answer
        if answer:
            votes[answer] += 1
    if not votes:
        return (None, 0.0)
    [(winner, count)] = votes.most_common(1)
    return (winner, count / len(samples))


@variant(VOTE, provides="self_consistency")
def by_list(samples):
    """Right: a regular expression with a greedy start, and list.count."""
    found = [re.match(r"(?is).*answer:([^\n]*)", sample) for sample in samples]
    answers = [re.sub(r"\.$", "", hit[1].strip()).lower() for hit in found if hit]
    answers = [answer for answer in answers if answer]
    best = max((answers.count(answer) for answer in answers), default=0)
    return next(((answer, best / len(samples)) for answer in answers if answers.count(answer) == best), (None, 0.0))


# -------------------------------------------------------------------------------------------- json_constrained_step

edit(STEP, "no_constraint", "The highest score wins, allowed or not.", ('whole if token == "<end>" else token != "" and possible(state + token)', "True"))
edit(STEP, "first_character_only", "Only the first character of a token is looked at.", ("possible(state + token)", "possible(state + token[:1])"))
edit(STEP, "last_of_equals", "Of equal scores the last token wins; the first should.", ("score > best_score", "score >= best_score and score > -math.inf"))
edit(STEP, "lowest_score", "The lowest score wins.", ("score > best_score", "-score > best_score"), ("best, best_score = token, score", "best, best_score = token, -score"))
edit(STEP, "first_allowed", "The first allowed token wins, whatever its score.", ("allowed and score > best_score", "allowed and best is None and score > -math.inf"))
edit(STEP, "trailing_comma", "A bracket may close right after a comma.", ('fits = digit or sign == "["', 'fits = digit or sign in "[]"'))
edit(STEP, "comma_after_opening", "A comma may follow an opening bracket.", ('fits = digit or sign in "[]"', 'fits = digit or sign in "[],"'))
edit(STEP, "leading_zeros", "A number may begin with 0.", ('(digit and number != "0")', "digit"))
edit(STEP, "no_digit_after_zero", "A digit may not follow any 0, so 10 can't become 100.", ('number != "0"', 'before != "0"'))
edit(STEP, "no_long_numbers", "A number has one digit only.", ('(digit and number != "0")', "False"))
edit(STEP, "goes_on_after_the_end", "Text may follow the whole array.", ('fits = depth > 0 and sign in ",]"', 'fits = sign in ",]"'))
edit(STEP, "comma_after_the_end", "A comma may follow the whole array.", ('fits = depth > 0 and sign in ",]"', 'fits = sign == "," or (depth > 0 and sign == "]")'))
edit(STEP, "may_start_with_a_number", "The text may start with a number; it is an array.", ('fits = sign == "["\n            elif before == "["', 'fits = sign in "[0123456789"\n            elif before == "["'))
edit(STEP, "no_empty_arrays", "An array may be empty.", ('fits = digit or sign in "[]"', 'fits = digit or sign == "["'))
edit(STEP, "no_nesting", "Arrays may hold arrays.", ('fits = digit or sign == "["', "fits = digit"), ('fits = digit or sign in "[]"', 'fits = digit or sign == "]"'))
edit(STEP, "ends_anywhere", "<end> is allowed before the array is whole.", ('whole if token == "<end>"', 'state != "" if token == "<end>"'))
edit(STEP, "ends_before_it_starts", "<end> is allowed for the empty text.", ('state != "" and state.count', "state.count"))
edit(STEP, "never_ends", "<end> is never allowed.", ('whole if token == "<end>"', 'False if token == "<end>"'))
edit(STEP, "ends_after_any_bracket", "<end> is allowed after any closing bracket; the outermost must be closed.", ('state.count("[") == state.count("]")', 'state.endswith("]")'))
edit(STEP, "writes_the_end", "<end> is written into the text.", ('state if best == "<end>" else state + best', "state + best"))
edit(STEP, "empty_token_allowed", "The empty token is allowed, and the text never grows.", ('token != "" and possible', "possible"))
edit(STEP, "foreign_digits", "Digits of other scripts and raised ones are allowed.", ('digit = sign in "0123456789"', "digit = sign.isdigit()"))
edit(STEP, "low_scores_lost", "The search starts from a finite score, so that very low ones never win.", ("best, best_score = None, -math.inf", "best, best_score = None, -1e3"))
edit(STEP, "impossible_scores", "A token at -inf is chosen.", ("allowed and score > best_score", "allowed and (best is None or score > best_score)"))
edit(STEP, "no_error", "Without an allowed token it raises ValueError.", ('raise ValueError("no token is allowed")', 'return "<end>", state'))
edit(STEP, "returns_the_text_only", "Two things are returned: token and new text.", ('return best, state if best == "<end>" else state + best', 'return state if best == "<end>" else state + best'))
edit(STEP, "swaps_the_results", "Token first, then the text.", ('return best, state if best == "<end>" else state + best', 'return (state if best == "<end>" else state + best), best'))
edit(STEP, "pops_the_scores", "The caller's scores are changed.", ("    best, best_score = None", '    logits.pop("", None)\n    logits.setdefault("?", -math.inf)\n    best, best_score = None'))


@mutant(STEP, provides="json_constrained_step")
def brackets_only(state, logits):
    """Only brackets are counted; commas and numbers have rules too."""
    def fine(text):
        depths = [text[: at + 1].count("[") - text[: at + 1].count("]") for at in range(len(text))]
        return set(text) <= set("[],0123456789") and text[:1] == "[" and min(depths) >= 0

    whole = state != "" and state.count("[") == state.count("]")
    allowed = [t for t, s in logits.items() if s > -math.inf and (whole if t == "<end>" else t and fine(state + t))]
    if not allowed:
        raise ValueError
    best = max(allowed, key=logits.get)
    return best, state if best == "<end>" else state + best


@variant(STEP, provides="json_constrained_step")
def by_the_parser(state, logits):
    """Right: closes what is open and asks json.loads."""
    def possible(text):
        if not set(text) <= set("[],0123456789"):
            return False
        closed = text + ("0" if text.endswith(",") else "") + "]" * (text.count("[") - text.count("]"))
        try:
            return isinstance(json.loads(closed), list)
        except ValueError:
            return False

    whole = bool(state) and state.count("[") == state.count("]")
    allowed = [t for t in logits if logits[t] != -math.inf and (whole if t == "<end>" else bool(t) and possible(state + t))]
    if not allowed:
        raise ValueError("none")
    best = max(allowed, key=lambda t: logits[t])
    return best, state if best == "<end>" else state + best


@variant(STEP, provides="json_constrained_step")
def by_reducing(state, logits):
    """Right: a table of which sign may follow which, a depth, and a search for numbers with a leading 0."""
    after = {"": "[", "[": "0123456789[]", ",": "0123456789[", "]": ",]", **dict.fromkeys("0123456789", "0123456789,]")}

    def possible(text):
        pairs = all(sign in after[before] for before, sign in zip(["", *text], text, strict=False) if before in after)
        if not pairs or re.search(r"(?<![0-9])0[0-9]", text):
            return False
        depth = 0
        for at, sign in enumerate(text):
            depth += {"[": 1, "]": -1}.get(sign, 0)
            if depth < 0 or (depth == 0 and at < len(text) - 1):
                return False
        return True

    for token in sorted(logits, key=logits.__getitem__, reverse=True):
        if logits[token] == -math.inf or token == "":
            continue
        if token == "<end>" and state and state.count("[") == state.count("]"):
            return token, state
        if token != "<end>" and possible(state + token):
            return token, state + token
    raise ValueError("none")


edit_variant(STEP, "counts_depth_for_the_end", "Right: another test for a whole array.", ('state != "" and state.count("[") == state.count("]")', 'len(state) > 1 and state.count("]") >= state.count("[")'))
