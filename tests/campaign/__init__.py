"""The reliability campaign: kills, full disks, damage, hostile artefacts. `python -m tests.campaign --help`."""
