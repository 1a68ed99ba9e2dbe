# The traffic of the report: 21 bursts of Apache Bench, 220 requests, three users.
# The Host header is the user. ab exits with 0 whatever the API answers: look at the lines
# Complete requests and Non-2xx responses. Paste the lines into a shell, or: sh traffic.sh

# The start page
ab -n 10 -H "Host: user1.comcast.com" http://localhost:5000/
ab -n 10 -H "Host: user2.att.com" http://localhost:5000/
ab -n 10 -H "Host: user3.spectrum.com" http://localhost:5000/

# Swords
ab -n 10 -H "Host: user1.comcast.com" http://localhost:5000/purchase_a_sword
ab -n 15 -H "Host: user2.att.com" http://localhost:5000/purchase_a_sword
ab -n 15 -H "Host: user3.spectrum.com" http://localhost:5000/purchase_a_sword

# Knives
ab -n 10 -H "Host: user1.comcast.com" http://localhost:5000/purchase_a_knife
ab -n 10 -H "Host: user2.att.com" http://localhost:5000/purchase_a_knife
ab -n 10 -H "Host: user3.spectrum.com" http://localhost:5000/purchase_a_knife

# Guilds
ab -n 10 -H "Host: user1.comcast.com" http://localhost:5000/join_a_guild
ab -n 10 -H "Host: user2.att.com" http://localhost:5000/join_a_guild
ab -n 5 -H "Host: user3.spectrum.com" http://localhost:5000/join_a_guild

# Armor
ab -n 15 -H "Host: user1.comcast.com" http://localhost:5000/purchase_armor
ab -n 10 -H "Host: user2.att.com" http://localhost:5000/purchase_armor
ab -n 10 -H "Host: user3.spectrum.com" http://localhost:5000/purchase_armor

# Arrows and bows, in the order of the report
ab -n 10 -H "Host: user1.comcast.com" http://localhost:5000/purchase_arrow
ab -n 15 -H "Host: user2.att.com" http://localhost:5000/purchase_bow
ab -n 5 -H "Host: user3.spectrum.com" http://localhost:5000/purchase_arrow

ab -n 5 -H "Host: user1.comcast.com" http://localhost:5000/purchase_bow
ab -n 10 -H "Host: user2.att.com" http://localhost:5000/purchase_arrow
ab -n 15 -H "Host: user3.spectrum.com" http://localhost:5000/purchase_bow
