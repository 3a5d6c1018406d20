// What Metal has, and this device has not: it says so.
// --- texture: no textures
kernel void k(texture2d<float> t [[texture(0)]]) {}  // error: 'texture2d' is not supported by this device: it has no textures
// --- texture_written: no textures
kernel void k(metal::texture3d<half, access::write> t [[texture(0)]]) {}  // error: 'texture3d' is not supported by this device: it has no textures
// --- depth_texture: no textures
kernel void k(depth2d<float> t [[texture(0)]]) {}  // error: 'depth2d' is not supported by this device: it has no textures
// --- texture_buffer: no textures
void f(texture_buffer<float> t) {}  // error: 'texture_buffer' is not supported by this device: it has no textures
// --- sampler: no samplers
kernel void k(sampler s [[sampler(0)]]) {}  // error: 'sampler' is not supported by this device: it has no samplers
// --- vertex_function: no rendering
vertex float4 v(uint i [[vertex_id]]) { return 0; }  // error: 'vertex' functions are not supported by this device
// --- fragment_function: no rendering
fragment float4 f() { return 0; }  // error: 'fragment' functions are not supported by this device
// --- function_constant: no values for them
constant bool fast [[function_constant(0)]];  // error: function constants are not supported by this device
// --- acceleration_structure: no ray tracing
void f(instance_acceleration_structure s) {}  // error: 'instance_acceleration_structure' is not supported by this device: it has no ray tracing
// --- function_table: no function tables
void f(visible_function_table<float(float)> t) {}  // error: 'visible_function_table' is not supported by this device: it has no function tables
// --- imageblock: no tiles
struct B { half4 c; };
void f(imageblock<B> b) {}  // error: 'imageblock' is not supported by this device: it has no imageblocks
// --- ray_data: no ray tracing
void f(ray_data float *p) {}  // error: 'ray_data' memory is not supported by this device
// --- logging: came with Metal 3.2
void f() {
    os_log_default.log("x");  // error: 'os_log_default' is not supported by this device: logging came with Metal 3.2
}
