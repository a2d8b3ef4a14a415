# A file's bytes as an object of the library: from symbol on, up to symbol_end. *ret is its source.
function(corral_embed file symbol ret)
  set(embed ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.S)
  file(WRITE ${embed} "
	.section .rodata
	.balign 4096
	.global ${symbol}
	.global ${symbol}_end
${symbol}:
	.incbin \"${file}\"
${symbol}_end:
	.section .note.GNU-stack,\"\",@progbits
")
  set_source_files_properties(${embed} PROPERTIES OBJECT_DEPENDS ${file})
  set(${ret} ${embed} PARENT_SCOPE)
endfunction()
