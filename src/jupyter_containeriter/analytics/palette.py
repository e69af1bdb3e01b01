"""The colours of the phases, everywhere the same (Okabe and Ito's palette and an indigo), from dark to light."""

COLORS = {
    "capture": "#332288",
    "build": "#0072B2",
    "load": "#009E73",
    "start": "#E69F00",
    "verify": "#F0E442",
    "other": "#D9D9D9",
    "think": "#C8CCD2",
    "run": "#7A828C",
}

#: Of a load test: percentiles of latency from the middle outwards, the kernel they are compared with, and errors.
LATENCIES = {"p50": "#0072B2", "p90": "#009E73", "p99": "#E69F00", "max": "#7A828C"}
KERNEL = "#332288"
FAILED = "#9B1C1C"
