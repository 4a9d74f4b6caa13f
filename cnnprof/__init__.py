"""cnnprof: what a convolutional network costs, from one declarative spec."""
