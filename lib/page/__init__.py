"""What a reader takes hold of in the page: small modules that compute there, with no kernel.

Each is two files of one name: Python draws the first state with `lib` and puts it on the page,
JavaScript goes on from there with the same mathematics. `lib.page.surface` says how.
"""
