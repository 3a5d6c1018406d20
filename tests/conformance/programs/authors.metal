// Kernels as authors of libraries write them: see test_authors_kernels.py.
#include <metal_stdlib>
using namespace metal;

#define LOG_MEM_BANKS 5
#define CONFLICT_FREE_OFFSET(n) ((n) >> LOG_MEM_BANKS)
kernel void scan_blelloch(device const uint* in [[buffer(0)]], device uint* out [[buffer(1)]], device uint* sums [[buffer(2)]],
  constant uint& n [[buffer(3)]], threadgroup uint* temp [[threadgroup(0)]],
  uint tid [[thread_position_in_threadgroup]], uint gid [[threadgroup_position_in_grid]], uint tpg [[threads_per_threadgroup]]) {
  const uint m = tpg * 2; uint base = gid * m;
  uint ai = tid, bi = tid + tpg;
  uint oa = CONFLICT_FREE_OFFSET(ai), ob = CONFLICT_FREE_OFFSET(bi);
  temp[ai + oa] = base + ai < n ? in[base + ai] : 0u;
  temp[bi + ob] = base + bi < n ? in[base + bi] : 0u;
  uint offset = 1;
  for (uint d = m >> 1; d > 0; d >>= 1) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (tid < d) {
      uint a = offset * (2 * tid + 1) - 1, b = offset * (2 * tid + 2) - 1;
      a += CONFLICT_FREE_OFFSET(a); b += CONFLICT_FREE_OFFSET(b);
      temp[b] += temp[a];
    }
    offset *= 2;
  }
  if (tid == 0) { sums[gid] = temp[m - 1 + CONFLICT_FREE_OFFSET(m - 1)]; temp[m - 1 + CONFLICT_FREE_OFFSET(m - 1)] = 0; }
  for (uint d = 1; d < m; d *= 2) {
    offset >>= 1;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (tid < d) {
      uint a = offset * (2 * tid + 1) - 1, b = offset * (2 * tid + 2) - 1;
      a += CONFLICT_FREE_OFFSET(a); b += CONFLICT_FREE_OFFSET(b);
      uint t = temp[a]; temp[a] = temp[b]; temp[b] += t;
    }
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (base + ai < n) out[base + ai] = temp[ai + oa];
  if (base + bi < n) out[base + bi] = temp[bi + ob];
}

template<typename T> static inline T block_scan(T v, threadgroup T* scratch, ushort lane, ushort warp, ushort nwarps) {
  T incl = simd_prefix_inclusive_sum(v);
  if (lane == 31) scratch[warp] = incl;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (warp == 0) {
    T s = lane < nwarps ? scratch[lane] : T(0);
    s = simd_prefix_exclusive_sum(s);
    if (lane < nwarps) scratch[lane] = s;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return incl + scratch[warp];
}
kernel void scan(device const int* in [[buffer(0)]], device int* out [[buffer(1)]],
   uint i [[thread_position_in_grid]], ushort lane [[thread_index_in_simdgroup]], ushort warp [[simdgroup_index_in_threadgroup]], ushort nw [[simdgroups_per_threadgroup]]) {
  threadgroup int scratch[32];
  out[i] = block_scan<int>(in[i], scratch, lane, warp, nw);
}

kernel void sw(device const uchar* a, device const uchar* b, device int* best, constant int& m, constant int& n, uint tid [[thread_position_in_threadgroup]], uint tpg [[threads_per_threadgroup]]) {
  threadgroup int d0[64], d1[64], d2[64]; threadgroup atomic_int mx;
  threadgroup int *prev2 = d0, *prev = d1, *cur = d2;
  int i = int(tid) + 1;
  d0[tid] = d1[tid] = d2[tid] = 0;
  if (tid == 0) atomic_store_explicit(&mx, 0, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  int local_best = 0;
  for (int diag = 2; diag <= m + n; ++diag) {
    int j = diag - i;
    if (i <= m && j >= 1 && j <= n) {
      int up = i > 1 ? prev[tid - 1] : 0, dg = i > 1 ? prev2[tid - 1] : 0, left = prev[tid];
      int s = a[i - 1] == b[j - 1] ? 2 : -1;
      int h = max(0, max3(dg + s, up - 1, left - 1));
      cur[tid] = h; local_best = max(local_best, h);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    threadgroup int* t = prev2; prev2 = prev; prev = cur; cur = t;
  }
  atomic_fetch_max_explicit(&mx, local_best, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (tid == 0) *best = atomic_load_explicit(&mx, memory_order_relaxed);
}

inline uint3 cells(device const uint* g, int w, int y, int x) { uint c = g[y * w + x], l = g[y * w + (x + w - 1) % w], r = g[y * w + (x + 1) % w]; return uint3((c << 1) | (l >> 31), c, (c >> 1) | (r << 31)); }
kernel void life(device const uint* g [[buffer(0)]], device uint* o [[buffer(1)]], constant ushort2& sz [[buffer(2)]], ushort2 p [[thread_position_in_grid]]) {
  if (p.x >= sz.x || p.y >= sz.y) return;
  const int w = sz.x, h = sz.y;
  uint3 a = cells(g, w, (p.y + h - 1) % h, p.x), b = cells(g, w, p.y, p.x), c = cells(g, w, (p.y + 1) % h, p.x);
  uint n[8] = { a.x, a.y, a.z, b.x, b.z, c.x, c.y, c.z };
  uint s0 = 0, s1 = 0, s2 = 0;
  for (auto v : n) { uint c0 = s0 & v; s0 ^= v; uint c1 = s1 & c0; s1 ^= c0; s2 |= c1; }
  o[p.y * w + p.x] = ~s2 & s1 & (s0 | b.y);
}

struct Affine { float a, b; };
Affine combine(Affine l, Affine r) { return { l.a * r.a, r.a * l.b + r.b }; }
kernel void rec(device const float* a, device const float* b, device float* h, constant uint& n, uint lane [[thread_index_in_simdgroup]]) {
  float carry = 0;
  for (uint base = 0; base < n; base += 32) {
    uint i = base + lane;
    Affine s = i < n ? Affine{ a[i], b[i] } : Affine{ 1.0f, 0.0f };
    for (ushort d = 1; d < 32; d <<= 1) {
      Affine o { simd_shuffle_up(s.a, d), simd_shuffle_up(s.b, d) };
      if (lane >= d) s = combine(o, s);
    }
    float r = s.a * carry + s.b;
    if (i < n) h[i] = r;
    carry = simd_broadcast(r, 31);
  }
}

union Word { uint u; struct { uint kind : 3; uint value : 13; uint high : 16; } f; uchar bytes[4]; };
enum class Op : uchar { start, add, sub, flip, seven };
static_assert(sizeof(Word) == 4, "word");
kernel void words(device const uint* in, device uint* out, uint i [[thread_position_in_grid]]) {
  Word w; w.u = in[i]; uint r = 0;
  switch (static_cast<Op>(w.f.kind % 5)) {
    case Op::start: r += 1; [[fallthrough]];
    case Op::add: r += w.f.value; break;
    case Op::sub: r -= w.f.high; break;
    case Op::flip: r ^= w.u; break;
    default: r = 7;
  }
  uint m = w.u | 1;
  do { ++r; m >>= 1; } while (m != 0);
  out[i] = r;
}

int work(int i) { int s = 0;
  for (int a = 0; a < 20; ++a) { if ((a * i) % 7 == 3) continue; int b = 0;
    while (true) { b++; if ((a + b + i) % 5 == 0) break; if (b > 6) break; if (a * b == 30 && i % 3 == 0) return -s; s += a ^ b; }
    if (s > 300 + i) break; }
  return s; }
kernel void parting(device int* out, uint i [[thread_position_in_grid]]) { out[i] = work(i); }

kernel void viterbi(device const float* lt, device const float* em, device int* path, constant int& S, constant int& T, uint s [[thread_position_in_threadgroup]], device int* bp) {
  threadgroup float score[2][64];
  score[0][s] = em[s];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (int t = 1; t < T; ++t) {
    float best = -MAXFLOAT; int arg = 0;
    for (int p = 0; p < S; ++p) { float v = score[(t - 1) & 1][p] + lt[p * S + s]; if (v > best) { best = v; arg = p; } }
    score[t & 1][s] = best + em[t * S + s]; bp[t * S + s] = arg;
    threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);
  }
  if (s == 0) {
    int cur = 0; for (int i = 1; i < S; ++i) if (score[(T - 1) & 1][i] > score[(T - 1) & 1][cur]) cur = i;
    for (int t = T - 1; t >= 0; --t) { path[t] = cur; if (t) cur = bp[t * S + cur]; }
  }
}
