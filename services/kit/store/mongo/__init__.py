"""The Store port on MongoDB (`mongodb://`, `mongodb+srv://`): for many processes and machines.

`store.MongoStore` is the adapter. motor, PyMongo and bson are imported in this package only, and what differs between
the two drivers lies in `driver` alone.
"""
