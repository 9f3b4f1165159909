"""Reads an event file with TensorBoard's own loader and compares every scalar with what was written."""
import json
import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

folder, expected_file = sys.argv[1:]
with open(expected_file, encoding="utf-8") as file:
    expected = json.load(file)
events = EventAccumulator(folder)
events.Reload()
tags = {name.replace(".", "/") for one in expected for name in one["metrics"]}
found = set(events.Tags()["scalars"]) | set(events.Tags()["tensors"])
assert found == tags, f"expected tags {sorted(tags)}, got {sorted(found)}"


def values(tag):
    """Step and value of each event, however this version of TensorBoard keeps scalars."""
    if tag in events.Tags()["scalars"]:
        return {event.step: event.value for event in events.Scalars(tag)}
    return {event.step: event.tensor_proto.float_val[0] for event in events.Tensors(tag)}


checked = 0
for tag in sorted(tags):
    read = values(tag)
    for one in expected:
        number = {name.replace(".", "/"): value for name, value in one["metrics"].items()}.get(tag)
        if number is None:
            continue
        as_float32 = struct.unpack("<f", struct.pack("<f", number))[0]
        assert read[one["step"]] == as_float32, f"{tag} at {one['step']}: expected {as_float32}, got {read[one['step']]}"
        checked += 1
print(f"ok tensorboard: {checked} values of {len(tags)} tags over {len(expected)} steps read back")
