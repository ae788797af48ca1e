"""Experiments: one file each ties data, denoiser and measure together."""
