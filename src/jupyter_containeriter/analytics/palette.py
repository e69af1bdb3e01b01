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
