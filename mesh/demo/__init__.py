"""The demonstration: a city's boxes as processes of one machine, and every claim about them judged.

From the ground up, each room knowing only those before it:

- `city`: a generated city, and its places as records.
- `scenes`: what the cameras see, rendered, and what really happened.
- `releases`: the models that are rolled out, and what they answer.
- `boxes`: what runs on a box: camera, detector, signal controller, reaction rule; and who lies.
- `stage`: the fleet's files and processes, and the machine that they run on.
- `acts`: four acts, each played in one file and judged in others.
- `report`: what a person sees of a run.

`run` puts them together, `cli` is the face, `claims` is what all of them judge with.
"""
