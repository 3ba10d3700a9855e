"""The GoogleSQL conformance corpora against the emulator, over REST: how much passes, a class and a corpus."""
