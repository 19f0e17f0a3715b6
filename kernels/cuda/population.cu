// Pairwise squared distances between two batches of behaviour descriptors.
//
// One grid-stride loop over the (n, m) outputs; each output sums its d terms in order, so a result
// does not depend on the launch. Descriptors are short (d is about 2 to 32): the references stay in
// the L1 cache, and a shared-memory tile would only add synchronisation. Not meant for embeddings.

namespace {

template <typename Real>
__device__ void squared_distances(
    const Real* __restrict__ queries,
    const Real* __restrict__ references,
    Real* __restrict__ out,
    long long n,
    long long m,
    long long d
) {
    const long long total = n * m;
    const long long stride = static_cast<long long>(gridDim.x) * blockDim.x;
    for (long long idx = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; idx < total;
         idx += stride) {
        const Real* query = queries + (idx / m) * d;
        const Real* reference = references + (idx % m) * d;
        Real sum = 0;
        for (long long axis = 0; axis < d; ++axis) {
            const Real difference = query[axis] - reference[axis];
            sum += difference * difference;
        }
        out[idx] = sum;
    }
}

}  // namespace

extern "C" __global__ void squared_distances_f32(
    const float* queries, const float* references, float* out, long long n, long long m, long long d
) {
    squared_distances(queries, references, out, n, m, d);
}

extern "C" __global__ void squared_distances_f64(
    const double* queries, const double* references, double* out, long long n, long long m, long long d
) {
    squared_distances(queries, references, out, n, m, d);
}
