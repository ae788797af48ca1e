"""Budget, seeds and progress."""

import io
import sys
import types

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.book import runtime


def test_the_budget_is_laptop_unless_named(monkeypatch):
    monkeypatch.delenv("BOOK_BUDGET", raising=False)
    assert runtime.budget().name == "laptop"
    monkeypatch.setenv("BOOK_BUDGET", "smoke")
    assert runtime.budget().name == "smoke"


def test_in_colab_with_a_gpu_the_budget_is_gpu(monkeypatch):
    monkeypatch.delenv("BOOK_BUDGET", raising=False)
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert runtime.budget().name == "gpu"


@given(st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1))
def test_an_unknown_budget_is_refused(name):
    if name not in runtime.BUDGETS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BOOK_BUDGET", name)
            with pytest.raises(ValueError, match="it must be one of smoke, laptop, gpu"):
                runtime.budget()


def test_gpu_falls_back_on_laptop():
    smoke, laptop, gpu = runtime.BUDGETS.values()
    assert [b.pick(smoke=1, laptop=2) for b in (smoke, laptop, gpu)] == [1, 2, 2]
    assert gpu.pick(smoke=1, laptop=2, gpu=3) == 3


def test_generators_are_streams_of_their_own():
    one, same, other = (torch.randn(4, generator=runtime.generator(s)) for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@given(st.integers(max_value=-1) | st.floats() | st.text() | st.booleans() | st.none())
def test_a_bad_seed_is_refused(seed):
    with pytest.raises(ValueError, match="must be an integer"):
        runtime.generator(seed)


def test_any_kind_of_integer_is_a_seed():
    one, other = (torch.randn(2, generator=runtime.generator(s)) for s in (3, np.int64(3)))
    assert torch.equal(one, other)


def test_progress_is_one_line_and_silent_on_the_website(monkeypatch):
    for static, lines in (("0", 1), ("1", 0)):
        monkeypatch.setenv("BOOK_STATIC", static)
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        assert list(runtime.progress(range(500), "counting")) == list(range(500))
        assert sys.stdout.getvalue().count("\n") == lines
