"""A Metal compute device in software: compiles Metal source with Clang, runs it on the CPU in a process of its own."""

from metalsci.cpu_metal.compile.architecture import ArchitectureError
from metalsci.cpu_metal.compile.library import Argument, Kernel, Library
from metalsci.cpu_metal.device import Device
from metalsci.cpu_metal.errors import DeviceCrash, DeviceTimeout, DispatchError, PipelineError
from metalsci.cpu_metal.execute.buffer import Buffer, BufferSlice
from metalsci.cpu_metal.execute.clock import RunTime
from metalsci.cpu_metal.execute.commands import CommandBuffer, Dispatch
from metalsci.cpu_metal.mlx.stand_in import MetalKernel, metal_kernel
from metalsci.msl.diagnostics import CompileError, Finding

__all__ = [
    "ArchitectureError",
    "Argument",
    "Buffer",
    "BufferSlice",
    "CommandBuffer",
    "CompileError",
    "Device",
    "DeviceCrash",
    "DeviceTimeout",
    "Dispatch",
    "DispatchError",
    "Finding",
    "Kernel",
    "Library",
    "MetalKernel",
    "PipelineError",
    "RunTime",
    "metal_kernel",
]
