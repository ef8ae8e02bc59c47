cimport cython

# The two types in which every kernel computes. float32 stays float32, float64 stays float64.
ctypedef fused real:
    float
    double
