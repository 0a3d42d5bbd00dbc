// Translate a PPM file (binary, 8 bits, no comments) with a file of format=aotinductor embed_preprocessing=true:
//
//     translate model.aoti.pt2 in.ppm out.ppm
//
// WARNING: such a file is machine code, which runs with all of your rights. Load a file only if you trust its author.

#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <cstdint>
#include <exception>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>

// (1, H, W, 3) uint8
at::Tensor read_image(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string magic;
  int64_t width = 0, height = 0, maximum = 0;
  file >> magic >> width >> height >> maximum;
  file.get(); // the one blank that ends the header
  if (!file || magic != "P6" || maximum != 255 || width < 1 || height < 1) {
    throw std::runtime_error(path + " cannot be read; expected a PPM file that begins with P6, its size and 255");
  }
  at::Tensor image = at::empty({1, height, width, 3}, at::kByte);
  if (!file.read(reinterpret_cast<char*>(image.data_ptr<uint8_t>()), image.numel())) {
    throw std::runtime_error(path + " ends early; expected " + std::to_string(image.numel()) + " bytes of pixels");
  }
  return image;
}

void write_image(const std::string& path, const at::Tensor& image) {
  const at::Tensor pixels = image.contiguous(); // a package's output need not be channels-last in memory
  std::ofstream file(path, std::ios::binary);
  file << "P6\n" << pixels.size(2) << " " << pixels.size(1) << "\n255\n";
  file.write(reinterpret_cast<const char*>(pixels.data_ptr<uint8_t>()), pixels.numel());
  if (!file.flush()) {
    throw std::runtime_error(path + " cannot be written");
  }
}

int main(int count, char** arguments) {
  if (count != 4) {
    std::cerr << "usage: translate model.aoti.pt2 in.ppm out.ppm\n";
    return 2;
  }
  try {
    const c10::InferenceMode guard;
    torch::inductor::AOTIModelPackageLoader package(arguments[1]);
    write_image(arguments[3], package.run({read_image(arguments[2])})[0]);
  } catch (const c10::Error& error) {
    std::cerr << "error: " << error.what_without_backtrace() << "\n";
    return 1;
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << "\n";
    return 1;
  }
}
