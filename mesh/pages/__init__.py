"""Pages for people who were not there: one HTML file that needs nothing but itself.

There is no script, no picture, no font and no address in a page, and its own policy forbids a
browser to load any; it can be mailed, and read offline for years. All text is escaped where it is
put in (`mesh.pages.markup`). The demo's report and that of scenarios are such pages.
"""
