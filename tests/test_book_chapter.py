"""What stands at a chapter's head."""

import pytest
import torch

from lib.book import chapter, runtime


@pytest.mark.parametrize(("static", "links"), [("1", 1), ("0", 0)])
def test_on_the_site_the_head_says_how_to_get_a_copy_and_run_it(monkeypatch, static, links):
    monkeypatch.setenv("BOOK_STATIC", static)
    budget = runtime.BUDGETS["smoke"]
    head = chapter._head(chapter.Chapter("01_sim_task", budget, torch.device("cpu")))
    assert head.count('href="copy.html"') == links
    assert "minutes to read" in head
