"""One `levelfield run`: certificates, peaks, schedule, stop rule, progress, resumption."""
