#include "core/formats/torch_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <sstream>

#include "core/formats/open_checkpoint.h"
#include "tests/core/formats/tensor_values.h"
#include "tests/core/formats/zip_builder.h"
#include "tests/support/source_folder.h"

namespace roundlab {
namespace {

using ::testing::ElementsAre;
using testing::ErrorOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ReadAll;
using testing::TempFolder;
using testing::TensorValues;
using testing::Zip;

/// What Python's torch 2.11 saved (make_torch_file.py).
std::string Saved() { return testing::SourceFolder() + "/tests/core/formats/torch_file.bin"; }

template <class T>
std::vector<T> ElementsOf(const TensorView& tensor) {
  std::vector<T> values(static_cast<std::size_t>(tensor.ElementCount()));
  EXPECT_EQ(tensor.bytes.size(), values.size() * sizeof(T));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

TEST(TorchFileTest, ReadsWhatTorchSaves) {
  const TempFolder folder;
  folder.Write("pytorch_model.bin", ReadAll(Saved()));
  const auto checkpoint = OpenCheckpoint(folder.path());
  EXPECT_THAT(checkpoint->Names(), ElementsAre("bf16", "bool", "f64", "int16", "int32", "int64",
                                               "int8", "lm_head.weight", "model.embed.weight",
                                               "none", "parameter", "rows", "uint8"));
  EXPECT_THAT(checkpoint->Find("model.embed.weight")->shape, ElementsAre(4, 3));
  EXPECT_EQ(TensorValues(*checkpoint, "model.embed.weight"),
            TensorValues(*checkpoint, "lm_head.weight"));
  EXPECT_EQ(checkpoint->Find("model.embed.weight")->bytes.data(),
            checkpoint->Find("lm_head.weight")->bytes.data());  // tied: stored once
  EXPECT_THAT(TensorValues(*checkpoint, "rows"), ElementsAre(0.75, 1, 1.25, 1.5, 1.75, 2));
  EXPECT_THAT(TensorValues(*checkpoint, "parameter"), ElementsAre(1.5, -2));
  EXPECT_THAT(TensorValues(*checkpoint, "bf16"), ElementsAre(0.10009765625, 3));
  EXPECT_THAT(TensorValues(*checkpoint, "f64"), ElementsAre(0.1F));
  EXPECT_THAT(TensorValues(*checkpoint, "none"), IsEmpty());
}

TEST(TorchFileTest, ReadsEveryTypeOfInteger) {
  const TorchFile file(Saved());
  EXPECT_THAT(ElementsOf<std::int64_t>(*file.Find("int64")), ElementsAre(1, 2, 3));
  EXPECT_THAT(ElementsOf<std::int32_t>(*file.Find("int32")), ElementsAre(1, 2, 3));
  EXPECT_THAT(ElementsOf<std::int16_t>(*file.Find("int16")), ElementsAre(1, 2, 3));
  EXPECT_THAT(ElementsOf<std::int8_t>(*file.Find("int8")), ElementsAre(1, 2, 3));
  EXPECT_THAT(ElementsOf<std::uint8_t>(*file.Find("uint8")), ElementsAre(1, 2, 3));
  EXPECT_THAT(ElementsOf<std::uint8_t>(*file.Find("bool")), ElementsAre(1, 0));
}

TEST(TorchFileTest, ShardsAreFoundByTheirIndex) {
  const TempFolder folder;
  folder.Write("pytorch_model-00001-of-00001.bin", ReadAll(Saved()));
  const std::string index =
      folder.Write("pytorch_model.bin.index.json",
                   R"({"weight_map":{"rows":"pytorch_model-00001-of-00001.bin"}})");
  EXPECT_THAT(TensorValues(*OpenCheckpoint(folder.path()), "parameter"), ElementsAre(1.5, -2));
  folder.Write("pytorch_model.bin.index.json", R"({"weight_map":{"rows":"other.bin"}})");
  EXPECT_EQ(ErrorOf([&] { OpenCheckpoint(folder.path()); }),
            index + ": shard 'other.bin' is missing (it has tensor 'rows')");
}

TEST(TorchFileTest, ComesBeforeSafetensorsOfAnotherName) {  // as for transformers
  const TempFolder folder;
  folder.Write("pytorch_model.bin", ReadAll(Saved()));
  folder.Write("ema.safetensors", testing::Vectors({{"parameter", {7, 8}}}));
  EXPECT_THAT(TensorValues(*OpenCheckpoint(folder.path()), "parameter"), ElementsAre(1.5, -2));
  folder.Write("model.safetensors", testing::Vectors({{"parameter", {7, 8}}}));
  EXPECT_THAT(TensorValues(*OpenCheckpoint(folder.path()), "parameter"), ElementsAre(7, 8));
}

/// A pickle of protocol 2 in readable pieces.
std::string Text(const std::string& text) { return "X" + testing::U32(text.size()) + text; }
std::string Pickled(const std::string& program) { return "\x80\x02" + program + "."; }
std::string StorageOf(const std::string& type, const std::string& key) {
  return "(" + Text("storage") + "ctorch\n" + type + "\n" + Text(key) + Text("cpu") + "K\x04tQ";
}
/// A tensor of two elements from `offset` on, `stride` apart.
std::string TensorOf(const std::string& storage, char offset = 0, char stride = 1) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + "K" + std::string(1, offset) +
         "K\x02\x85K" + std::string(1, stride) + "\x85tR";
}
std::string OneTensor(const std::string& tensor) { return Pickled("}" + Text("w") + tensor + "s"); }

/// What is said of an archive with this pickle and one storage of four float32 values.
std::string ArchiveError(const std::string& pickle, const std::string& order = "little") {
  const TempFolder folder;
  const std::string path =
      folder.Write("a.bin", Zip({{"a/data.pkl", pickle},
                                 {"a/byteorder", order},
                                 {"a/data/0", testing::Bytes<float>({1, 2, 3, 4})}}));
  const std::string message = ErrorOf([&] { TorchFile file(path); });
  return message.empty() ? "" : message.substr(path.size());
}

TEST(TorchFileTest, TensorThatDoesNotFitIsAnError) {
  const std::string floats = StorageOf("FloatStorage", "0");
  EXPECT_EQ(ArchiveError(OneTensor(TensorOf(floats, 2))), "");
  EXPECT_EQ(ArchiveError(OneTensor(TensorOf(floats, 3))),
            ": tensor 'w': takes 8 bytes from element 3 of its storage, which has 16 bytes");
  EXPECT_EQ(ArchiveError(OneTensor(TensorOf(floats, 0, 2))),
            ": tensor 'w': shape [2] with strides [2]: elements do not lie one after another; "
            "save a contiguous copy");
  EXPECT_EQ(ArchiveError(OneTensor(TensorOf(StorageOf("FloatStorage", "1")))),
            ": tensor 'w': storage '1' is missing");
  EXPECT_EQ(ArchiveError(OneTensor(TensorOf(StorageOf("ComplexFloatStorage", "0")))),
            ": tensor 'w': is of torch.ComplexFloatStorage, which is not supported");
  std::string negative = TensorOf(floats);  // ..., requires_grad, hooks, {'neg': True})
  negative.insert(negative.size() - 2, "\x89}}" + Text("neg") + "\x88s");
  EXPECT_EQ(ArchiveError(OneTensor(negative)),
            ": tensor 'w': has a conjugate or negative bit: save what resolve_neg makes of it");
  EXPECT_EQ(ArchiveError(OneTensor(TensorOf("N"))), ": tensor 'w': has no storage");
  EXPECT_EQ(ArchiveError(OneTensor(TensorOf(floats)), "big"),
            ": byteorder is 'big', expected 'little'");
}

TEST(TorchFileTest, WhatIsNoDictionaryOfTensorsIsAnError) {
  EXPECT_EQ(ArchiveError(Pickled("K\x01")), ": is no dictionary of tensors");
  EXPECT_EQ(ArchiveError(OneTensor("K\x01")), ": tensor 'w': is no tensor");
  EXPECT_EQ(ArchiveError(Pickled("}K\x01K\x01s")), ": a tensor's name is no text");
  // What a pickle asks to call is never called.
  EXPECT_EQ(ArchiveError(OneTensor("cos\nsystem\n" + Text("touch x") + "\x85R")),
            ": tensor 'w': is made by os.system, which is not supported");
  EXPECT_EQ(ArchiveError(OneTensor("}")),
            ": tensor 'w': is a dictionary, no tensor: save its tensors alone");
  EXPECT_EQ(ArchiveError("\x80\x04."), ": pickle, byte 0: protocol 4, expected 2");
  EXPECT_EQ(ArchiveError(Pickled("i")),
            ": pickle, byte 2: instruction 105 is none that a dictionary of tensors takes");
  EXPECT_EQ(ArchiveError(Pickled("K")), ": pickle, byte 4: cut off");
  EXPECT_EQ(ArchiveError(Pickled("(")), ": pickle, byte 3: takes a value where none is");
  EXPECT_EQ(ArchiveError(Pickled("h\x07")), ": pickle, byte 2: value 7 was not kept");
  EXPECT_EQ(ArchiveError(Pickled("K\x01K\x02"
                                 "a")),
            ": pickle, byte 6: adds to a value that does not take it");
}

TEST(TorchFileTest, OldFormatIsAnError) {
  const TempFolder folder;
  const std::string path = folder.Write("pytorch_model.bin",
                                        "\x80\x02\x8a\nl\xfc\x9c"
                                        "F\xf9 j\xa8P\x19.");
  EXPECT_EQ(ErrorOf([&] { OpenCheckpoint(folder.path()); }),
            path + ": of torch.save before version 1.6: load it and save it again");
}

}  // namespace
}  // namespace roundlab
