"""Suite → plan → launches → records → verdicts. A room imports only from those above it:

system    what the operating system tells and does      launch    processes that make launches: parents, workers, Ray
records   what is written down                          run       one `levelfield run`, or one duel
judge     numbers → words: intervals, verdicts          results   records → tables, exports, comparisons of runs
plan      a suite file → cells → launches               doctor    how often is this machine wrong
probes    counters of devices                           cli       words in, exit code out
measure   what happens inside one launch
certify   the proof that an adapter computes the specification
"""
