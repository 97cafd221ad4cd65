"""What tests of several files share: samples, fixtures, processes. Tests import from here and never from each other."""
