"""What a chapter needs to be a page: budget, seeds, figures, sliders, the claims ledger."""
