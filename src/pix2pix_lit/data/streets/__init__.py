"""Drawing street scenes: every kind of object with its geometry, its class and its look in one place."""
