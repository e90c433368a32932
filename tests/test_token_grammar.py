"""The grammar of pictures as tokens: what may be written, what was chosen, and how likely it was."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.errors import ModelError
from src.models.tokens.completion_grammar import CompletionGrammar
from src.models.tokens.grammar_processor import GrammarProcessor, allowed_masks
from src.models.tokens.log_probabilities import token_log_probabilities
from src.models.tokens.picture_grammar import ANY_CODE, ANY_TEXT, GrammarError, PictureGrammar, PictureVocabulary
from src.models.tokens.vocabulary import NAMES, code_name, picture_vocabulary
from tests.tiny_token_editors import CODEBOOK, tiny_vocabulary

VOCABULARY = tiny_vocabulary()
EMU3 = PictureVocabulary(
    size=184622,
    bos=151849,
    eos=151850,
    pad=151643,
    picture_start=151852,
    grid_end=151851,
    line_end=151846,
    frame_end=151847,
    picture_end=151853,
    codes=tuple(range(151854, 184622)),
    text=tuple(range(151643)),
)
"""The ids of Emu3, as EARL's code has them."""
HEADER = (VOCABULARY.picture_start, VOCABULARY.text[17], VOCABULARY.text[9], VOCABULARY.text[17], VOCABULARY.grid_end)


def grammar(rows: int = 2, columns: int = 3, thinking: int = 0) -> CompletionGrammar:
    return CompletionGrammar(PictureGrammar(VOCABULARY, rows, columns), HEADER, thinking)


def written(rows: int, columns: int, seed: int = 0) -> list[list[int]]:
    draw = random.Random(seed)
    return [[draw.randrange(CODEBOOK) for _ in range(columns)] for _ in range(rows)]


@given(st.integers(1, 6), st.integers(1, 6), st.randoms(use_true_random=False))
def test_the_codes_of_a_picture_come_back_from_its_tokens(rows: int, columns: int, draw: random.Random) -> None:
    picture = PictureGrammar(VOCABULARY, rows, columns)
    codes = [[draw.randrange(CODEBOOK) for _ in range(columns)] for _ in range(rows)]
    tokens = picture.encode(codes)
    assert len(tokens) == len(picture) == rows * (columns + 1) + 3
    assert picture.decode(tokens) == codes
    assert picture.decode([*tokens, VOCABULARY.pad, VOCABULARY.pad]) == codes
    assert all(token in picture.allowed(place) for place, token in enumerate(tokens))


def test_a_picture_of_256_by_256_pixels_is_what_earl_writes_of_it() -> None:
    picture = PictureGrammar(EMU3, 32, 32)
    assert len(picture) == 1024 + 32 + 3
    for offset in range(1, len(picture) + 1):  # EARL counts from 1, behind the end of the size
        expected: tuple[int, ...] = EMU3.codes
        if offset % 33 == 0:
            expected = (151846,)
        elif offset == 33 * 32 + 1:
            expected = (151847,)
        elif offset == 33 * 32 + 2:
            expected = (151853,)
        elif offset == 33 * 32 + 3:
            expected = (151850,)
        assert picture.allowed(offset - 1) == expected
    assert picture.allowed(len(picture)) == (151643,)


@settings(max_examples=200)
@given(st.integers(1, 4), st.integers(1, 4), st.data())
def test_a_picture_with_one_wrong_token_is_refused_at_its_place(rows: int, columns: int, data: st.DataObject) -> None:
    picture = PictureGrammar(VOCABULARY, rows, columns)
    tokens = picture.encode(written(rows, columns))
    place = data.draw(st.integers(0, len(tokens) - 1))
    allowed = picture.allowed(place)
    tokens[place] = data.draw(st.integers(0, VOCABULARY.size - 1).filter(lambda token: token not in allowed))
    with pytest.raises(GrammarError, match=f"token {place} of the picture is {tokens[place]}"):
        picture.decode(tokens)


def test_pictures_that_break_off_go_on_or_have_another_shape_are_refused() -> None:
    picture = PictureGrammar(VOCABULARY, 2, 3)
    tokens = picture.encode(written(2, 3))
    with pytest.raises(GrammarError, match="breaks off after 10 of 11 tokens"):
        picture.decode(tokens[:-1])
    with pytest.raises(GrammarError, match="token 11 of the picture"):
        picture.decode([*tokens, VOCABULARY.codes[0]])
    with pytest.raises(GrammarError, match="2 rows of 2, 3 codes"):
        picture.encode([[1, 2], [1, 2, 3]])
    with pytest.raises(GrammarError, match="code 32 has no token"):
        picture.encode([[1, 2, 3], [1, 2, 32]])
    with pytest.raises(ValueError, match="0 × 3 codes holds none"):
        PictureGrammar(VOCABULARY, 0, 3)
    with pytest.raises(IndexError):
        picture.allowed(-1)


def test_only_codes_were_chosen_in_a_picture() -> None:
    one = grammar()
    tokens = one.picture.encode(written(2, 3))
    codes = [True, True, True, False, True, True, True, False, False, False, False]
    assert one.prefill == HEADER
    assert one.is_choice(tokens) == one.is_code(tokens) == codes
    assert one.is_choice([*tokens, VOCABULARY.pad]) == [*codes, False]
    assert one.slots(tokens)[3] == VOCABULARY.line_end


def test_the_text_of_a_thought_and_its_end_were_chosen_and_the_header_was_not() -> None:
    thinks = grammar(thinking=4)
    text = list(VOCABULARY.text[:3])
    tokens = [*text, *HEADER, *thinks.picture.encode(written(2, 3))]
    assert thinks.prefill == ()
    assert thinks.thought(tokens) == text
    assert thinks.codes(tokens) == written(2, 3)
    assert thinks.slots(tokens)[:9] == [ANY_TEXT] * 4 + list(HEADER[1:]) + [ANY_CODE]
    assert sum(thinks.is_choice(tokens)) == 4 + 6
    assert sum(thinks.is_code(tokens)) == 6
    at_the_limit = [VOCABULARY.text[3], *tokens]
    assert thinks.slots(at_the_limit)[:5] == [ANY_TEXT] * 4 + [VOCABULARY.picture_start]
    assert len(at_the_limit) == thinks.longest


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [
        ([VOCABULARY.text[0]] * 5, "no picture begins within 4 tokens"),
        ([VOCABULARY.text[0], VOCABULARY.eos, VOCABULARY.picture_start], "token .* is none of text"),
        ([VOCABULARY.picture_start, VOCABULARY.codes[0]], "token 1 of the completion is"),
        ([VOCABULARY.text[0], *HEADER], "breaks off after 0 of 11 tokens"),
    ],
)
def test_what_is_no_thought_and_picture_is_refused(tokens: list[int], reason: str) -> None:
    with pytest.raises(GrammarError, match=reason):
        grammar(thinking=4).slots(tokens)


def test_ten_thousand_rollouts_of_random_logits_break_no_grammar() -> None:
    import torch

    draw = random.Random(0)
    made = torch.Generator().manual_seed(0)
    kinds = [grammar(rows, columns, thinking) for rows in (1, 2) for columns in (1, 2, 3) for thinking in (0, 1, 3)]
    for _ in range(10):
        rows = draw.choices(kinds, k=1000)
        processor = GrammarProcessor(rows, "cpu")
        tokens = torch.zeros(len(rows), 1, dtype=torch.long)
        for _ in range(max(row.longest for row in rows)):
            logits = torch.randn(len(rows), VOCABULARY.size, generator=made)
            logits[:, VOCABULARY.picture_start] += 3.0  # else hardly a thought would end before its limit
            tokens = torch.cat([tokens, processor(tokens, logits).argmax(dim=-1, keepdim=True)], dim=1)
        lengths = set()
        for row, rollout in zip(rows, tokens[:, 1:].tolist(), strict=True):
            row.slots(rollout)
            lengths.add(len(row.thought(rollout)))
        assert lengths == {0, 1, 2, 3}


def test_log_probabilities_are_those_of_a_brute_force_sum_over_the_allowed_tokens() -> None:
    import torch

    one = grammar(thinking=2)
    tokens = [VOCABULARY.text[5], *HEADER, *one.picture.encode(written(2, 3)), VOCABULARY.pad]
    slots = one.slots(tokens)
    logits = 3 * torch.randn(len(tokens), VOCABULARY.size, generator=torch.Generator().manual_seed(1))
    masks = allowed_masks(VOCABULARY, "cpu")
    found = token_log_probabilities(logits, torch.tensor(tokens), torch.tensor(slots), masks, temperature=0.7)
    for place, (slot, token) in enumerate(zip(slots, tokens, strict=True)):
        weights = {other: float(torch.exp(logits[place, other].double() / 0.7)) for other in range(VOCABULARY.size)}
        allowed = sum(weights[other] for other in VOCABULARY.allowed(slot))
        assert float(found.chosen[place].exp()) == pytest.approx(weights[token] / allowed, rel=1e-4)
        assert float(found.allowed_mass[place].exp()) == pytest.approx(allowed / sum(weights.values()), rel=1e-4)


def test_no_gradient_comes_from_forced_tokens() -> None:
    import torch

    one = grammar()
    tokens = one.picture.encode(written(2, 3))
    slots = torch.tensor(one.slots(tokens))
    logits = torch.randn(len(tokens), VOCABULARY.size, requires_grad=True)
    masks = allowed_masks(VOCABULARY, "cpu")
    token_log_probabilities(logits, torch.tensor(tokens), slots, masks).chosen.sum().backward()
    assert logits.grad is not None
    by_token: Any = logits.grad.abs().sum(dim=-1)
    assert [bool(share > 0) for share in by_token] == one.is_choice(tokens)
    outside = logits.grad[slots == ANY_CODE][:, ~masks[0]]
    assert not outside.any()


def test_the_vocabulary_says_which_tokens_a_checkpoint_lacks() -> None:
    names = {name: place for place, name in enumerate(["a", *NAMES.values(), *map(code_name, range(4))])}
    assert picture_vocabulary(names, 4, 13).text == (0,)
    with pytest.raises(ModelError, match=r"lacks 2 tokens of pictures, <\|visual token 000004\|> first"):
        picture_vocabulary(names, 6, 13)
    with pytest.raises(ModelError, match="token 12 is beyond its 12 logits"):
        picture_vocabulary(names, 4, 12)
