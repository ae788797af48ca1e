"""What installs, executes, checks and builds the book; no chapter needs it."""
