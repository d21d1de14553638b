"""Suite → plan → launches → records → verdicts. A room imports only from those above it, the right ones last:

system    what the operating system tells and does      launch    processes that make launches: parents, workers, Ray
records   what is written down                          explain   where the time of a step goes
judge     numbers → words: intervals, verdicts          run       one `levelfield run`, or one duel
preview   what the compiler of an absent chip says      results   records → tables, exports, comparisons of runs
plan      a suite file → cells → launches               doctor    how often is this machine wrong
probes    counters of devices                           versions  since which release is it slower
measure   what happens inside one launch                cli       words in, exit code out
certify   the proof that an adapter computes the specification"""
