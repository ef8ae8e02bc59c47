cimport cython

# The two types in which every kernel computes. Results of float32 arrays are float32, results of float64 arrays float64.
ctypedef fused real:
    float
    double
