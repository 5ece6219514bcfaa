"""Steps from one schema to the next: files in a folder, run once each, in order."""
