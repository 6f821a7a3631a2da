"""What runs on the boxes: the traffic application, and the members that lie."""
