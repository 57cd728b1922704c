#include "core/kernels/cuda/load.h"

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>
#include <link.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "core/base/error.h"

#ifndef ROUNDLAB_CUDA_LIBRARY
#define ROUNDLAB_CUDA_LIBRARY ""
#endif

namespace roundlab {
namespace {

namespace fs = std::filesystem;

constexpr const char* kGetIt =
    "; scripts/setup --cuda installs libtorch's CUDA part, or ROUNDLAB_LIBTORCH names the torch "
    "folder of a Python environment that has it";

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The folder of the libtorch_cpu.so that runs.
fs::path CpuFolder() {
  void* library = dlopen("libtorch_cpu.so", RTLD_NOW | RTLD_NOLOAD);
  link_map* map = nullptr;
  if (library == nullptr || dlinfo(library, RTLD_DI_LINKMAP, &map) != 0) return {};
  return fs::weakly_canonical(map->l_name).parent_path();
}

std::vector<fs::path> LibtorchFolders() {
  std::vector<fs::path> folders;
  const std::string named = Environment("ROUNDLAB_LIBTORCH");
  if (!named.empty()) folders = {fs::path(named) / "lib", named};
  folders.push_back(CpuFolder());
  return folders;
}

/// Why the driver that is there shows no GPU, or "".
std::string GpuProblem() {
  if (at::detail::getCUDAHooks().deviceCount() > 0) return "";
  using Count = int (*)(int*);
  using Text = const char* (*)(int);
  const auto count = reinterpret_cast<Count>(dlsym(RTLD_DEFAULT, "cudaGetDeviceCount"));
  const auto text = reinterpret_cast<Text>(dlsym(RTLD_DEFAULT, "cudaGetErrorString"));
  int gpus = 0;
  const int code = count == nullptr ? 0 : count(&gpus);
  const std::string why = code != 0 && text != nullptr ? std::string(" (") + text(code) + ")" : "";
  return "the NVIDIA driver shows no GPU" + why + "; see nvidia-smi and CUDA_VISIBLE_DEVICES";
}

std::string OpenLibtorch() {
  std::string problem;
  for (const fs::path& folder : LibtorchFolders()) {
    const fs::path file = folder / "libtorch_cuda.so";
    if (!fs::exists(file)) continue;
    if (dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL) != nullptr) return "";
    return cuda::LoadProblem(folder.string(), dlerror());
  }
  if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) != nullptr) return "";
  const std::string message = dlerror();
  if (message.find("libtorch_cuda.so: cannot open") == std::string::npos) {
    return cuda::LoadProblem("", message);
  }
  const std::string named = Environment("ROUNDLAB_LIBTORCH");
  return "libtorch has no CUDA part in " + CpuFolder().string() +
         (named.empty() ? "" : ", nor is one in ROUNDLAB_LIBTORCH, " + named) + kGetIt;
}

std::vector<fs::path> KernelFiles() {
  const std::string named = Environment("ROUNDLAB_CUDA_KERNELS");
  if (!named.empty()) return {named};
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  constexpr const char* kName = "libroundlab_cuda.so";
  return {program / kName, program / "../lib" / kName, ROUNDLAB_CUDA_LIBRARY};
}

struct KernelLibrary {
  cuda::Kernels kernels{};
  std::string problem;
};

template <class F>
void Find(void* library, const char* name, F* function, std::string* problem) {
  *function = reinterpret_cast<F>(dlsym(library, name));
  if (*function == nullptr && problem->empty()) *problem = std::string("has no ") + name;
}

KernelLibrary OpenKernels() {
  KernelLibrary found;
  for (const fs::path& file : KernelFiles()) {
    if (file.empty() || !fs::exists(file)) continue;
    void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return {{}, dlerror()};
    std::string problem;
    int (*version)() = nullptr;
    Find(library, "roundlab_cuda_version", &version, &problem);
    if (version != nullptr && version() != cuda::kInterfaceVersion) {
      problem = "has version " + std::to_string(version()) + ", this program needs " +
                std::to_string(cuda::kInterfaceVersion);
    }
    cuda::Kernels& k = found.kernels;
    Find(library, "roundlab_cuda_error", &k.error, &problem);
    Find(library, "roundlab_fake_quant", &k.fake_quant, &problem);
    Find(library, "roundlab_fake_quant_backward", &k.fake_quant_backward, &problem);
    Find(library, "roundlab_rms_norm", &k.rms_norm, &problem);
    Find(library, "roundlab_rms_norm_backward", &k.rms_norm_backward, &problem);
    Find(library, "roundlab_rope", &k.rope, &problem);
    Find(library, "roundlab_swiglu", &k.swiglu, &problem);
    Find(library, "roundlab_swiglu_backward", &k.swiglu_backward, &problem);
    Find(library, "roundlab_mse", &k.mse, &problem);
    Find(library, "roundlab_mse_backward", &k.mse_backward, &problem);
    Find(library, "roundlab_float8_columns", &k.float8_columns, &problem);
    Find(library, "roundlab_copy_if", &k.copy_if, &problem);
    Find(library, "roundlab_error_feedback", &k.error_feedback, &problem);
    Find(library, "roundlab_logit_sums", &k.logit_sums, &problem);
    if (!problem.empty()) found.problem = file.string() + " " + problem;
    return found;
  }
  return {{}, "libroundlab_cuda.so was not built (that takes nvcc)"};
}

/// A number of the card that CUDA's runtime knows; 75 and 76 are the compute capability.
int Attribute(int which, int index) {
  using Get = int (*)(int*, int, int);
  const auto get = reinterpret_cast<Get>(dlsym(RTLD_DEFAULT, "cudaDeviceGetAttribute"));
  int value = 0;
  ROUNDLAB_CHECK(get != nullptr && get(&value, which, index) == 0, "cudaDeviceGetAttribute");
  return value;
}

const KernelLibrary& TheKernels() {
  static const KernelLibrary library = OpenKernels();
  return library;
}

}  // namespace

namespace cuda {

std::string LoadProblem(const std::string& folder, const std::string& message) {
  const std::string file = folder.empty() ? "libtorch_cuda.so" : folder + "/libtorch_cuda.so";
  const std::string absent = ": cannot open shared object file";
  const auto at = message.find(absent);
  if (at != std::string::npos) {
    return file + " needs " + message.substr(0, at) + ", which is not installed" + kGetIt;
  }
  if (message.find("undefined symbol") != std::string::npos ||
      message.find("version `") != std::string::npos) {
    return file + " is of another version than the libtorch this program runs with (" + message +
           ")" + kGetIt;
  }
  return file + " can't be opened: " + message;
}

std::string DriverProblem() {
  if (dlopen("libcuda.so.1", RTLD_NOW) != nullptr) return "";
  return "no NVIDIA driver (libcuda.so.1 is not there); install it, or use device cpu";
}

std::string LoadLibtorch() {
  const std::string absent = DriverProblem();
  if (!absent.empty()) return absent;
  static bool loaded = false;
  if (!loaded) {
    const std::string problem = OpenLibtorch();
    if (!problem.empty()) return problem;
    ROUNDLAB_CHECK(at::detail::getCUDAHooks().hasCuDNN(),
                   "libtorch was used before its CUDA part was opened");
    loaded = true;
  }
  return GpuProblem();
}

int Capability(int index) {
  static std::array<std::atomic<int>, 128> known{};  // by device, 0: not asked yet
  std::atomic<int>& known_here = known.at(static_cast<std::size_t>(index));
  if (known_here == 0) known_here = 10 * Attribute(75, index) + Attribute(76, index);
  return known_here;
}

const Kernels* KernelsOn(const at::Device& device) {
  constexpr int kOldest = 80;  // core/kernels/cuda/CMakeLists.txt
  return device.is_cuda() && Capability(device.index()) >= kOldest ? LoadKernels() : nullptr;
}

const Kernels* LoadKernels() {
  return TheKernels().problem.empty() ? &TheKernels().kernels : nullptr;
}

std::string KernelsProblem() { return TheKernels().problem; }

}  // namespace cuda
}  // namespace roundlab
