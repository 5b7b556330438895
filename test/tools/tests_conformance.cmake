# docs/conformance.md against the tree, and the tool that holds it against bad samples; once, in the build without sanitizers.
if(NOT RF_SANITIZE AND NOT RF_FUZZ)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  add_test(NAME tool_check_conformance
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/check_conformance.py ${CMAKE_SOURCE_DIR})
  add_test(NAME test_conformance COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/test/tools/test_conformance.py)
  set_tests_properties(tool_check_conformance test_conformance PROPERTIES TIMEOUT 120 LABELS tools)
endif()
