"""Time PyTorch's int4 product (tinygemm, bf16, group 128) on the shapes of cuda_bench, for comparison:
weights rotate over 512 MiB, 50 launches or more in a CUDA graph, the median of five replays."""
import torch


def weights(n, k):
    codes = torch.randint(0, 256, (n, k // 2), dtype=torch.uint8, device="cuda")
    packed = torch.ops.aten._convert_weight_to_int4pack(codes, 8)
    scales = torch.rand(k // 128, n, 2, dtype=torch.bfloat16, device="cuda")
    return packed, scales


def seconds(n, k, rows):
    copies = (512 << 20) // (n * k // 2) + 1
    matrices = [weights(n, k) for _ in range(copies)]
    x = torch.rand(rows, k, dtype=torch.bfloat16, device="cuda")
    launches = max(50, copies)

    def run(count):
        for i in range(count):
            packed, scales = matrices[i % copies]
            torch.ops.aten._weight_int4pack_mm(x, packed, 128, scales)

    run(1)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run(launches)
    times = []
    for _ in range(6):  # the first warms up
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) / 1000 / launches)
    return sorted(times[1:])[2]


for n, k in ((4096, 4096), (8192, 8192), (28672, 8192), (8192, 28672)):
    for rows in (1, 16, 32, 128):
        print(f"torch int4     {n} x {k} {rows:5d} {seconds(n, k, rows) * 1e6:10.2f} us", flush=True)
