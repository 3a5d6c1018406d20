// Kernels of many fields, as libraries and language models write them: see test_kernels_of_many_fields.py.
#include <metal_stdlib>
using namespace metal;

kernel void radix(device uint* keys [[buffer(0)]], uint lid [[thread_index_in_threadgroup]],
    uint lane [[thread_index_in_simdgroup]], uint sg [[simdgroup_index_in_threadgroup]]) {
  threadgroup uint counts[16][8]; threadgroup uint sh[256];
  uint key = keys[lid];
  for (uint shift = 0; shift < 32; shift += 4) {
    uint digit = extract_bits(key, shift, 4u);
    uint rank = 0;
    for (uint d = 0; d < 16; ++d) {
      uint flag = digit == d ? 1u : 0u;
      uint pre = simd_prefix_exclusive_sum(flag);
      uint tot = simd_sum(flag);
      if (flag) rank = pre;
      if (lane == 0) counts[d][sg] = tot;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (lid == 0) { uint acc = 0; for (uint d = 0; d < 16; ++d) for (uint s = 0; s < 8;
        ++s) { uint c = counts[d][s]; counts[d][s] = acc; acc += c; } }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    sh[counts[digit][sg] + rank] = key;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    key = sh[lid];
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  keys[lid] = key;
}

kernel void bfs(device const uint* row [[buffer(0)]], device const uint* col [[buffer(1)]],
    device atomic_int* level [[buffer(2)]], constant uint& n [[buffer(3)]], uint l [[thread_index_in_threadgroup]],
    uint tgs [[threads_per_threadgroup]]) {
  threadgroup uint frontier[2][128]; threadgroup atomic_uint count; threadgroup uint size;
  for (uint i = l; i < n; i += tgs) atomic_store_explicit(&level[i], i ? -1 : 0, memory_order_relaxed);
  if (l == 0) { frontier[0][0] = 0; size = 1; atomic_store_explicit(&count, 0u, memory_order_relaxed); }
  threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);
  int depth = 0; uint cur = 0;
  while (size > 0) {
    ++depth;
    for (uint f = l; f < size; f += tgs) {
      uint u = frontier[cur][f];
      for (uint e = row[u]; e < row[u+1]; ++e) {
        int expected = -1; uint v = col[e];
        bool won = false;
        do { won = atomic_compare_exchange_weak_explicit(&level[v], &expected, depth, memory_order_relaxed,
            memory_order_relaxed); } while (!won && expected == -1);
        if (won) frontier[1-cur][atomic_fetch_add_explicit(&count, 1u, memory_order_relaxed)] = v;
      }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);
    if (l == 0) size = atomic_exchange_explicit(&count, 0u, memory_order_relaxed);
    cur = 1 - cur;
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
}

kernel void align_sequences(device const uchar* a [[buffer(0)]], device const uchar* b [[buffer(1)]],
    device int* best [[buffer(2)]], constant short2& len [[buffer(3)]], ushort t [[thread_position_in_threadgroup]]) {
  threadgroup short d[3][64]; threadgroup atomic_int mx;
  for (int k = 0; k < 3; ++k) d[k][t] = 0;
  if (t == 0) atomic_store_explicit(&mx, 0, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  short mine = 0;
  for (short diag = 2; diag <= len.x + len.y; ++diag) {
    threadgroup short *cur = d[diag%3], *p1 = d[(diag+2)%3], *p2 = d[(diag+1)%3];
    short i = t, j = diag - i; short h = 0;
    if (i >= 1 && i <= len.x && j >= 1 && j <= len.y) {
      h = max(h, short(p2[i-1] + (a[i-1] == b[j-1] ? 3 : -3)));
      h = max(h, max(short(p1[i-1] - 2), short(p1[i] - 2)));
      mine = max(mine, h);
    }
    cur[i] = h;
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  atomic_fetch_max_explicit(&mx, int(mine), memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (t == 0) *best = atomic_load_explicit(&mx, memory_order_relaxed);
}

#define QK4_0 32
typedef struct { half d; uint8_t qs[QK4_0/2]; } block_q4_0;
static_assert(sizeof(block_q4_0) == 18, "size");
inline float block_q_n_dot_y(device const block_q4_0* qb, float sumy, thread float* yl, int il) {
  float d = qb->d; float2 acc = 0.f;
  device const uint16_t* qs = ((device const uint16_t*)qb + 1 + il/2);
  for (int i = 0; i < 8; i += 2) {
    acc[0] += yl[i+0]*(qs[i/2] & 0x000F) + yl[i+1]*(qs[i/2] & 0x0F00);
    acc[1] += yl[i+8]*(qs[i/2] & 0x00F0) + yl[i+9]*(qs[i/2] & 0xF000);
  }
  return d*(sumy*-8.f + acc[0] + acc[1]);
}
template <int nr>
void impl(device const block_q4_0* x, device const float* y, device float* dst, int ne00, int ne01, uint tg,
    ushort lane) {
  const int nb = ne00/QK4_0; const int first = tg*nr;
  float yl[16]; float sumf[nr] = {0.f};
  const ushort ix = lane/2, il = (lane%2)*8;
  device const float* yb = y + ix*QK4_0 + il;
  for (int ib = ix; ib < nb; ib += 16) {
    float sumy = 0;
    for (int i = 0; i < 8; i += 2) {
      sumy += yb[i] + yb[i+1]; yl[i+0] = yb[i+0]; yl[i+1] = yb[i+1]/256.f;
      sumy += yb[i+16] + yb[i+17]; yl[i+8] = yb[i+16]/16.f; yl[i+9] = yb[i+17]/4096.f;
    }
    for (int row = 0; row < nr && first + row < ne01;
        row++) sumf[row] += block_q_n_dot_y(x + ib + (first + row)*nb, sumy, yl, il);
    yb += QK4_0*16;
  }
  for (int row = 0; row < nr; ++row) { const float tot = simd_sum(sumf[row]);
      if (lane == 0 && first + row < ne01) dst[first + row] = tot; }
}
kernel void quantised_product(device const void* x [[buffer(0)]], device const float* y [[buffer(1)]],
    device float* dst [[buffer(2)]], constant int64_t& ne00 [[buffer(3)]], constant int64_t& ne01 [[buffer(4)]],
    uint3 tg [[threadgroup_position_in_grid]], ushort lane [[thread_index_in_simdgroup]]) {
  impl<4>((device const block_q4_0*)x, y, dst, ne00, ne01, tg.x, lane);
}

enum class Phase : ushort { forward, backward };
kernel void viterbi(constant float* tr [[buffer(0)]], device const float (*em)[8] [[buffer(1)]],
    device uchar* path [[buffer(2)]], constant int& T [[buffer(3)]], ushort s [[thread_index_in_threadgroup]]) {
  threadgroup float d[2][8]; threadgroup uchar bp[32][8];
  d[0][s] = em[0][s]; Phase ph = Phase::forward; int t = 1;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  do {
    switch (ph) {
      case Phase::forward: { float best = -FLT_MAX; uchar arg = 0; for (uchar p = 0; p < 8;
          ++p) { float v = d[(t-1)&1][p] + tr[p*8+s]; if (v > best) best = v, arg = p;
          } d[t&1][s] = best + em[t][s]; bp[t][s] = arg; break; }
      case Phase::backward: break;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  } while (++t < T);
  if (s != 0) return;
  uchar c = 0; for (uchar p = 1; p < 8; ++p) c = d[(T-1)&1][p] > d[(T-1)&1][c] ? p : c;
  for (int u = T-1; u >= 0; --u) { path[u] = c; if (u) c = bp[u][c]; }
}

kernel void nested_loops(device int* o [[buffer(0)]], uint id [[thread_position_in_grid]]) {
  int i = id, acc = 0;
  if (i % 17 == 16) { o[id] = 12345; return; }
  int j = 0;
  while (j < i % 9) {
    ++j;
    if (j % 4 == 3) continue;
    int k = i; bool stop = false;
    do {
      k -= 3;
      if (k < 0) break;
      if ((k ^ j) % 7 == 0) { acc += 100; break; }
      acc += k & 3;
      if (acc > 5000) { stop = true; break; }
    } while (true);
    if (stop) break;
    switch (j % 5) { case 0: acc += 1; [[fallthrough]]; case 1: acc += 10; break; case 2: acc ^= 0x55; break;
        default: acc -= 2; }
  }
  o[id] = acc;
}

kernel void votes(device uint4* o [[buffer(0)]], uint i [[thread_position_in_grid]],
    ushort q [[thread_index_in_quadgroup]]) {
  uint4 r;
  simd_vote b = simd_ballot(i % 3 == 0);
  r.x = uint(simd_vote::vote_t(b));
  if (i % 3 == 0) r.y = popcount(uint(simd_vote::vote_t(simd_active_threads_mask()))); else r.y = simd_sum(i);
  r.z = quad_sum(i);
  r.w = quad_shuffle(i, (q + 1) & 3);
  o[i] = r;
}

inline void add(thread uint& s0, thread uint& s1, thread uint& s2, uint x) { uint c = s0 & x; s0 ^= x;
    uint d = s1 & c; s1 ^= c; s2 |= d; }
kernel void life(device const uint* a [[buffer(0)]], device uint* o [[buffer(1)]],
    uint2 g [[thread_position_in_grid]], uint2 s [[threads_per_grid]]) {
  uint s0 = 0, s1 = 0, s2 = 0, me = 0;
  for (int dy = -1; dy <= 1; ++dy) {
    uint y = (g.y + dy + s.y) % s.y;
    uint c = a[y*s.x+g.x], l = a[y*s.x+(g.x+s.x-1)%s.x], r = a[y*s.x+(g.x+1)%s.x];
    add(s0, s1, s2, (c << 1) | (l >> 31)); add(s0, s1, s2, (c >> 1) | (r << 31));
    if (dy) add(s0, s1, s2, c); else me = c;
  }
  o[g.y*s.x+g.x] = ~s2 & s1 & (s0 | me);
}

struct Acc { int best; ushort where; };
static void put(threadgroup Acc& a, int v, ushort w) { if (v > a.best) { a.best = v; a.where = w; } }
template <typename F, int N> static F total(threadgroup F (&t)[N]) { F s=0; for (int i=0;i<N;++i) s+=t[i]; return s; }
kernel void structs_of_groups(device const int*x [[buffer(0)]], device int*o [[buffer(1)]],
    ushort l [[thread_index_in_threadgroup]], ushort3 g [[threadgroup_position_in_grid]],
    ushort3 ts [[threads_per_threadgroup]]) {
 threadgroup Acc acc; threadgroup int vals[12]; uint base=(g.z*2u+g.y)*12; vals[l]=x[base+l];
     if (l==0) acc={INT_MIN,0};
 threadgroup_barrier(mem_flags::mem_threadgroup);
 for (ushort i=0;i<12;++i) { if (l==i) put(acc,vals[i],i); threadgroup_barrier(mem_flags::mem_threadgroup); }
 if (l==11) { o[base/12*3]=acc.best; o[base/12*3+1]=acc.where; o[base/12*3+2]=total(vals)+ts.x*100+ts.y*10+ts.z; } }

kernel void search(device const float*cdf [[buffer(0)]], device const float*u [[buffer(1)]],
    device uint*o [[buffer(2)]], constant int&n [[buffer(3)]], uint i [[thread_position_in_grid]]) { float x=u[i];
    int lo=0,hi=n-1,r=-1; while (lo<=hi) { int m=(lo+hi)>>1; if (cdf[m]==x) { r=m; break; } if (cdf[m]<x) lo=m+1;
    else hi=m-1; } o[i]=r<0?lo:r; }
