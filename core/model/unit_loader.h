#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/model/source.h"

namespace roundlab {

/// Which blocks make a unit, and what it is called: "block_3", "blocks_4-5".
struct UnitPlan {
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::string name;
};

/// The units that a model of `layers` blocks is cut into, `blocks` each; the last may be shorter.
std::vector<UnitPlan> PlanUnits(std::int64_t layers, std::int64_t blocks);

using UnitBlocks = std::vector<std::unique_ptr<DecoderBlock>>;

/// Puts a block's linear weights into `dtype`.
void CastLinears(at::ScalarType dtype, DecoderBlock* block);

/// Reads the blocks of a unit to `device`.
UnitBlocks LoadBlocks(const ModelSource& source, const UnitPlan& plan, const at::Device& device);

/// Reads the blocks of units in order. While one unit is worked on a thread reads the next, never
/// more, to where it can be had from fastest: the device where the source makes it there, pinned
/// memory where a GPU computes, else plain memory. The source must outlive it and is read from
/// two threads at once.
class UnitLoader {
 public:
  /// What is made of each block on its way.
  struct Change {
    at::ScalarType dtype = at::kFloat;  ///< of linear weights in the end
    /// Sees the block as it was read; what it replaces does not travel to the device.
    std::function<void(DecoderBlock*)> hook;
  };
  UnitLoader(const ModelSource& source, std::vector<UnitPlan> units, const at::Device& device,
             Change change);
  UnitLoader(const ModelSource& source, std::vector<UnitPlan> units, const at::Device& device)
      : UnitLoader(source, std::move(units), device, {}) {}
  ~UnitLoader();  ///< waits until what is being read is there
  UnitLoader(const UnitLoader&) = delete;
  UnitLoader& operator=(const UnitLoader&) = delete;

  /// Of the next unit, on the device. Throws whatever reading them threw.
  UnitBlocks Next();

 private:
  void Begin();

  const ModelSource& source_;
  const std::vector<UnitPlan> units_;
  const at::Device device_;
  const Change change_;
  std::size_t next_ = 0;
  std::future<UnitBlocks> ahead_;
};

}  // namespace roundlab
