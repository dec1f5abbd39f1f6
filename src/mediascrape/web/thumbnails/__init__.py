"""Pictures made smaller by us, so that their hosts never see who looks at them."""
