#include "rounding/statistics.h"

namespace roundlab {

StatisticsKinds StatisticsKinds::operator|(const StatisticsKinds& other) const {
  StatisticsKinds all;
  all.channel = channel || other.channel;
  all.second_moment = second_moment || other.second_moment;
  all.cross_moment = cross_moment || other.cross_moment;
  all.sample = sample || other.sample;
  all.in_double = in_double || other.in_double;
  return all;
}

}  // namespace roundlab
