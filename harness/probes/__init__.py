"""How a device was used while a launch's steady epochs ran: one small class for each source (`harness.probes.probe`).

Those that are read at two moments run in the worker, outside its clocks (`harness.measure.steady`). Those that have to
be sampled run in a process of their own (`harness.probes.sampler`).
"""
