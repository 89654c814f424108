"""The shared vocabulary: frozen, typed values that every layer may import.

Sign: power is positive when it flows into the thing named (import into the
site, consumption of a load, charging of a battery); injection, production and
discharging are negative. Units are W, var, A, V, Wh and s. `None` means that a
value is absent, which is never the same as zero.
"""
