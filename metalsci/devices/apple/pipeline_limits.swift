// maxTotalThreadsPerThreadgroup of every kernel of a .metal file, a line each: a label of the registers that it takes.
// MLX does not tell it. Run as: xcrun swift pipeline_limits.swift FILE
import Foundation
import Metal

let source = try String(contentsOfFile: CommandLine.arguments[1], encoding: .utf8)
guard let device = MTLCreateSystemDefaultDevice() else { exit(1) }
let library = try device.makeLibrary(source: source, options: nil)
for name in library.functionNames {
    let pipeline = try device.makeComputePipelineState(function: library.makeFunction(name: name)!)
    print(name, pipeline.maxTotalThreadsPerThreadgroup)
}
